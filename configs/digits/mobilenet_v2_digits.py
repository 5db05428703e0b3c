# MobileNetV2 at half width (0.7 M parameters) that tells which handwritten digit lies on a photograph.
# `python tools/train_digits.py classifier` writes the data under work_dirs/digits, trains it and puts the weights here.
classes = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
model = dict(
    type="ImageClassifier",
    backbone=dict(type="MobileNetV2", widen_factor=0.5),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(
        type="LinearClsHead",
        num_classes=10,
        in_channels=1280,
        loss=dict(type="CrossEntropyLoss", loss_weight=1.0),
        topk=(1,),
    ),
)

img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
# No mirroring: a mirrored digit is another sign.
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", size=(64, 64)),
    dict(type="Normalize", **img_norm_cfg),
    dict(type="ImageToTensor", keys=["img"]),
    dict(type="ToTensor", keys=["gt_label"]),
    dict(type="Collect", keys=["img", "gt_label"]),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", size=(64, -1)),
    dict(type="CenterCrop", crop_size=64),
    dict(type="Normalize", **img_norm_cfg),
    dict(type="ImageToTensor", keys=["img"]),
    dict(type="Collect", keys=["img"]),
]

dataset_type = "CustomDataset"
data_root = "work_dirs/digits/classification/"
data = dict(
    samples_per_gpu=32,
    workers_per_gpu=0,
    persistent_workers=False,
    train=dict(type=dataset_type, classes=classes, data_prefix=data_root + "train", pipeline=train_pipeline),
    val=dict(type=dataset_type, classes=classes, data_prefix=data_root + "test", pipeline=test_pipeline),
    test=dict(type=dataset_type, classes=classes, data_prefix=data_root + "test", pipeline=test_pipeline),
)
evaluation = dict(interval=1, metric="accuracy", metric_options=dict(topk=(1,)))

optimizer = dict(type="AdamW", lr=2e-3, weight_decay=0.05)
optimizer_config = dict(grad_clip=None)
lr_config = dict(
    policy="CosineAnnealing", by_epoch=False, min_lr_ratio=0.01, warmup="linear", warmup_iters=100, warmup_ratio=0.01
)
runner = dict(type="EpochBasedRunner", max_epochs=6)
checkpoint_config = dict(interval=100)
log_config = dict(interval=20, hooks=[dict(type="TextLoggerHook")])
log_level = "INFO"
load_from = None
resume_from = None
workflow = [("train", 1)]
