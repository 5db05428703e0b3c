"""Configs of small detectors on a backbone of MMClassification's, to be formatted.

``backbone`` is the inside of its dict, ``channels`` and ``strides`` are those of its maps, ``maps`` their number.
"""

RETINANET = """
custom_imports = dict(imports=['mmcls.models'], allow_failed_imports=False)
model = dict(type='RetinaNet', backbone=dict({backbone}), neck=dict(type='FPN', in_channels={channels}, out_channels=16,
    num_outs={maps}), bbox_head=dict(type='RetinaHead', num_classes=4, in_channels=16, feat_channels=16,
    stacked_convs=1, anchor_generator=dict(type='AnchorGenerator', octave_base_scale=4, scales_per_octave=1,
    ratios=[1.0], strides={strides}), bbox_coder=dict(type='DeltaXYWHBBoxCoder')),
    test_cfg=dict(nms_pre=100, score_thr=0.05, nms=dict(iou_threshold=0.5), max_per_img=50))
"""
FASTER = """
custom_imports = dict(imports=['mmcls.models'], allow_failed_imports=False)
model = dict(type='FasterRCNN', backbone=dict({backbone}), neck=dict(type='FPN', in_channels={channels},
    out_channels=16, num_outs={maps}), rpn_head=dict(type='RPNHead', in_channels=16, feat_channels=16,
    anchor_generator=dict(type='AnchorGenerator', scales=[4], ratios=[1.0], strides={strides}),
    bbox_coder=dict(type='DeltaXYWHBBoxCoder')), roi_head=dict(type='StandardRoIHead',
    bbox_roi_extractor=dict(type='SingleRoIExtractor', out_channels=16, featmap_strides={strides},
    roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0)), bbox_head=dict(type='Shared2FCBBoxHead',
    in_channels=16, fc_out_channels=32, num_classes=4, bbox_coder=dict(type='DeltaXYWHBBoxCoder'))),
    test_cfg=dict(rpn=dict(nms_pre=100, max_per_img=50, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
    rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=50)))
"""
