"""Running an exported file on pictures: numpy, OpenCV and ONNX Runtime are all that it needs.

from mmonnx.runtime import Detector

detector = Detector("faster_rcnn.onnx")
found = detector("photo.jpg")          # as mmdet's inference_detector: in pixels of the picture
detector.draw("photo.jpg", found)      # the picture with boxes, BGR
"""

from .images import read_image
from .models import Classifier, Detector, open_model

__all__ = ["Classifier", "Detector", "open_model", "read_image"]
