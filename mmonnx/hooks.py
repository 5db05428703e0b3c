from mmcv.runner import Hook
class ONNXExportHook(Hook): pass
