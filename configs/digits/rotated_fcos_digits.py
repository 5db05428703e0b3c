# Rotated FCOS with an FPN and a narrow ResNet-18 (0.9 M parameters) that finds turned digits on photographs.
# `python tools/train_digits.py rotated` writes the data under work_dirs/digits, trains it and puts the weights here.
classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
# The digits are up to 40 degrees from upright, which is the middle of this convention's range.
angle_version = "le135"
model = dict(
    type="RotatedFCOS",
    backbone=dict(
        type="ResNet",
        depth=18,
        base_channels=16,
        num_stages=4,
        out_indices=(1, 2, 3),
        frozen_stages=-1,
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=False,
        style="pytorch",
    ),
    neck=dict(type="FPN", in_channels=[32, 64, 128], out_channels=48, num_outs=3),
    bbox_head=dict(
        type="RotatedFCOSHead",
        num_classes=10,
        in_channels=48,
        stacked_convs=2,
        feat_channels=48,
        strides=[8, 16, 32],
        # Digits of 24 to 96 px then come from all three levels.
        regress_ranges=((-1, 28), (28, 56), (56, 1e8)),
        center_sampling=True,
        center_sample_radius=1.5,
        norm_on_bbox=False,
        centerness_on_reg=True,
        separate_angle=True,
        scale_angle=True,
        norm_cfg=dict(type="GN", num_groups=8, requires_grad=True),
        bbox_coder=dict(type="DistanceAnglePointCoder", angle_version=angle_version),
        h_bbox_coder=dict(type="DistancePointBBoxCoder"),
        loss_cls=dict(type="FocalLoss", use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type="GIoULoss", loss_weight=1.0),
        loss_angle=dict(type="L1Loss", loss_weight=0.5),
        loss_centerness=dict(type="CrossEntropyLoss", use_sigmoid=True, loss_weight=1.0),
    ),
    train_cfg=None,
    test_cfg=dict(nms_pre=500, min_bbox_size=0, score_thr=0.05, nms=dict(iou_thr=0.1), max_per_img=100),
)

img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
# No mirroring: a mirrored digit is another sign.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="RResize", img_scale=(320, 320)),
    dict(type="RRandomFlip", flip_ratio=0.0, version=angle_version),
    dict(type="PhotoMetricDistortion"),
    dict(type="Normalize", **img_norm_cfg),
    dict(type="Pad", size_divisor=32),
    dict(type="DefaultFormatBundle"),
    dict(type="Collect", keys=["img", "gt_bboxes", "gt_labels"]),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="MultiScaleFlipAug",
        img_scale=(320, 320),
        flip=False,
        transforms=[
            dict(type="RResize"),
            dict(type="Normalize", **img_norm_cfg),
            dict(type="Pad", size_divisor=32),
            dict(type="DefaultFormatBundle"),
            dict(type="Collect", keys=["img"]),
        ],
    ),
]

dataset_type = "DOTADataset"
data_root = "work_dirs/digits/rotated/"
data = dict(
    samples_per_gpu=8,
    workers_per_gpu=0,
    train=dict(
        type=dataset_type,
        version=angle_version,
        classes=classes,
        ann_file=data_root + "train/boxes/",
        img_prefix=data_root + "train/images/",
        filter_empty_gt=False,
        pipeline=train_pipeline,
    ),
    val=dict(
        type=dataset_type,
        version=angle_version,
        classes=classes,
        ann_file=data_root + "test/boxes/",
        img_prefix=data_root + "test/images/",
        filter_empty_gt=False,
        pipeline=test_pipeline,
    ),
    test=dict(
        type=dataset_type,
        version=angle_version,
        classes=classes,
        ann_file=data_root + "test/boxes/",
        img_prefix=data_root + "test/images/",
        filter_empty_gt=False,
        pipeline=test_pipeline,
    ),
)
evaluation = dict(interval=1, metric="mAP")

optimizer = dict(type="AdamW", lr=2e-3, weight_decay=0.02)
optimizer_config = dict(grad_clip=dict(max_norm=10, norm_type=2))
lr_config = dict(
    policy="CosineAnnealing", by_epoch=False, min_lr_ratio=0.01, warmup="linear", warmup_iters=100, warmup_ratio=0.01
)
runner = dict(type="EpochBasedRunner", max_epochs=2)
checkpoint_config = dict(interval=1)
log_config = dict(interval=20, hooks=[dict(type="TextLoggerHook")])
log_level = "INFO"
# Backbone and neck begin as those of the detector of upright digits.
load_from = "configs/digits/faster_rcnn_digits.pth"
resume_from = None
workflow = [("train", 1)]
