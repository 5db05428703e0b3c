# Semantic FPN on a narrow ResNet-18 (0.9 M parameters) that names the handwritten digit at each pixel.
# `python tools/train_digits.py segmentor` writes the data under work_dirs/digits, trains it and puts the weights here.
classes = ("background", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
palette = [
    [0, 0, 0],
    [230, 25, 75],
    [60, 180, 75],
    [255, 225, 25],
    [0, 130, 200],
    [245, 130, 48],
    [145, 30, 180],
    [70, 240, 240],
    [240, 50, 230],
    [210, 245, 60],
    [250, 190, 212],
]
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    type="EncoderDecoder",
    backbone=dict(
        type="ResNet",
        depth=18,
        base_channels=16,
        stem_channels=16,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        norm_cfg=norm_cfg,
        norm_eval=False,
        style="pytorch",
    ),
    neck=dict(type="FPN", in_channels=[16, 32, 64, 128], out_channels=48, num_outs=4),
    decode_head=dict(
        type="FPNHead",
        in_channels=[48, 48, 48, 48],
        in_index=[0, 1, 2, 3],
        feature_strides=[4, 8, 16, 32],
        channels=32,
        dropout_ratio=0.0,
        num_classes=11,
        norm_cfg=norm_cfg,
        align_corners=False,
        # The first five epochs were trained with class_weight=[0.4] + [1.0] * 10: shapes are learnt sooner with it.
        # To the end, it would make the digits too fat.
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0, avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode="whole"),
)

img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
# No mirroring: a mirrored digit is another sign.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="Resize", img_scale=(320, 320), keep_ratio=True),
    dict(type="RandomFlip", prob=0.0),
    dict(type="PhotoMetricDistortion"),
    dict(type="Normalize", **img_norm_cfg),
    dict(type="Pad", size=(320, 320), pad_val=0, seg_pad_val=255),
    dict(type="DefaultFormatBundle"),
    dict(type="Collect", keys=["img", "gt_semantic_seg"]),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="MultiScaleFlipAug",
        img_scale=(320, 320),
        flip=False,
        transforms=[
            dict(type="Resize", keep_ratio=True),
            dict(type="RandomFlip"),
            dict(type="Normalize", **img_norm_cfg),
            dict(type="ImageToTensor", keys=["img"]),
            dict(type="Collect", keys=["img"]),
        ],
    ),
]

dataset_type = "CustomDataset"
data_root = "work_dirs/digits/segmentation/"
data = dict(
    samples_per_gpu=4,
    workers_per_gpu=0,
    persistent_workers=False,
    train=dict(
        type=dataset_type,
        classes=classes,
        palette=palette,
        img_dir=data_root + "train/images",
        ann_dir=data_root + "train/labels",
        img_suffix=".png",
        pipeline=train_pipeline,
    ),
    val=dict(
        type=dataset_type,
        classes=classes,
        palette=palette,
        img_dir=data_root + "test/images",
        ann_dir=data_root + "test/labels",
        img_suffix=".png",
        pipeline=test_pipeline,
    ),
    test=dict(
        type=dataset_type,
        classes=classes,
        palette=palette,
        img_dir=data_root + "test/images",
        ann_dir=data_root + "test/labels",
        img_suffix=".png",
        pipeline=test_pipeline,
    ),
)
evaluation = dict(interval=1, metric="mIoU")

optimizer = dict(type="AdamW", lr=3e-3, weight_decay=0.02)
optimizer_config = dict(grad_clip=dict(max_norm=10, norm_type=2))
lr_config = dict(
    policy="CosineRestart",
    by_epoch=False,
    periods=[3125, 3125],
    restart_weights=[1, 0.6],
    min_lr_ratio=0.01,
    warmup="linear",
    warmup_iters=50,
    warmup_ratio=0.01,
)
runner = dict(type="EpochBasedRunner", max_epochs=10)
checkpoint_config = dict(interval=1)
log_config = dict(interval=20, hooks=[dict(type="TextLoggerHook")])
log_level = "INFO"
# The backbone begins as that of the detector.
load_from = "configs/digits/faster_rcnn_digits.pth"
resume_from = None
workflow = [("train", 1)]
