"""Running an exported file on pictures: numpy, OpenCV and ONNX Runtime are all that it needs.

from mmonnx.runtime import Detector

detector = Detector("faster_rcnn.onnx")
found = detector("photo.jpg")          # as mmdet's inference_detector: in pixels of the picture
detector.draw("photo.jpg", found)      # the picture with boxes, BGR

In: a file, pictures. Out: results in pixels of the pictures, drawings, a page. Touched: the files that are asked for.
"""

from ..support import lazy
from . import drawing, masks
from .annotations import boxes_of, filled, pairs_of, relations_of
from .boxes import corners, in_picture
from .companions import read as read_companion
from .crops import Crop
from .description import PREFIX, Description
from .distributed import BatchDetector
from .editors import ImageEditor
from .engines import DEFAULT as DEFAULT_RUNTIME
from .engines import ENGINES, Engine, EngineError, EngineSession, find_engine
from .estimators import BottomUpPoseEstimator, PoseEstimator
from .external import check_external, external_entries
from .grouping import Grouping
from .images import check_picture, count_channels, pictures_in, read_image, read_picture
from .key_information import KeyInformationExtractor
from .models import Classifier, Detector, Segmentor, open_model
from .opening import AnySession, load_session, open_session
from .pages.benchmark import Benchmark, measured, read_results
from .pages.pictures import drawn, shown
from .pages.write import page, write_page
from .pipeline import prepared_size, reading_alone, split_pipeline
from .placement import DEFAULTS, IMAGE_CORNER, IMAGE_SIZE, ORIGINAL_SIZE, placing
from .predicting import Predicted, PredictSettings, predict
from .prompts import ATTENTION_MASK, INPUT_IDS, LABEL_TOKENS, TEXT_INPUTS, load_tokenizer, names_in, text_inputs
from .recognizers import Recognizer
from .results import (
    ROTATED,
    Detections,
    EditedImage,
    KeyInformation,
    LabelMap,
    Panoptic,
    Poses,
    RawOutputs,
    Result,
    Scores,
    Text,
    TextMaps,
    TextRegions,
    are_there,
    is_rotated,
)
from .session import Session, check_operator_library, mmcv_operator_library
from .texts import (
    CHAR_MAPS,
    CHAR_SCORES,
    FEATURES,
    FINDERS,
    GRAPH_INPUTS,
    LINKS,
    MAPS,
    READERS,
    TextDetector,
    TextRecognizer,
    best_of,
    graph_of,
    idle_graph,
    idle_pictures,
    linked,
    read_text,
    regions_of,
    steps_of,
)
from .transforms import from_config, main_ratio

__all__ = [
    "AnySession",
    "ATTENTION_MASK",
    "INPUT_IDS",
    "LABEL_TOKENS",
    "TEXT_INPUTS",
    "load_tokenizer",
    "names_in",
    "text_inputs",
    "CHAR_MAPS",
    "FINDERS",
    "READERS",
    "CHAR_SCORES",
    "FEATURES",
    "GRAPH_INPUTS",
    "LINKS",
    "MAPS",
    "Text",
    "TextDetector",
    "TextMaps",
    "TextRecognizer",
    "TextRegions",
    "best_of",
    "boxes_of",
    "pairs_of",
    "graph_of",
    "idle_graph",
    "idle_pictures",
    "linked",
    "read_text",
    "regions_of",
    "relations_of",
    "steps_of",
    "BatchDetector",
    "Benchmark",
    "BottomUpPoseEstimator",
    "Classifier",
    "Crop",
    "DEFAULTS",
    "DEFAULT_RUNTIME",
    "Description",
    "Detections",
    "Detector",
    "ENGINES",
    "EditedImage",
    "Engine",
    "EngineError",
    "EngineSession",
    "Grouping",
    "IMAGE_CORNER",
    "IMAGE_SIZE",
    "ImageEditor",
    "KeyInformation",
    "KeyInformationExtractor",
    "LabelMap",
    "ORIGINAL_SIZE",
    "PREFIX",
    "Panoptic",
    "PoseEstimator",
    "Poses",
    "PredictSettings",
    "Predicted",
    "ROTATED",
    "RawOutputs",
    "Recognizer",
    "Result",
    "Scores",
    "Segmentor",
    "Session",
    "check_external",
    "check_operator_library",
    "check_picture",
    "check_valid",
    "corners",
    "count_channels",
    "drawing",
    "drawn",
    "external_entries",
    "filled",
    "find_engine",
    "from_config",
    "in_picture",
    "is_rotated",
    "large",
    "load_session",
    "open_session",
    "main_ratio",
    "masks",
    "measured",
    "mmcv_operator_library",
    "open_model",
    "page",
    "pictures_in",
    "placing",
    "predict",
    "prepared_size",
    "predict_with_ray",
    "read_companion",
    "read_image",
    "read_picture",
    "read_results",
    "reading_alone",
    "shown",
    "split_pipeline",
    "without_weights",
    "write_page",
    "are_there",
]

# who runs a file need not have onnx, nor Ray
__getattr__ = lazy(
    __name__,
    {
        "check_valid": "large",
        "large": "large:",
        "predict_with_ray": "distributed.run",
        "without_weights": "large",
    },
)
