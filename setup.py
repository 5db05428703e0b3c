"""Packaging of mmonnx: the package, the console script, and the data files that go inside the wheel."""

import runpy
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildWithData(build_py):
    """Copies ``configs/`` and ``patches/`` into the built package, where ``mmonnx.resources`` finds them.

    They stay out of ``mmonnx/`` in the checkout, where people look for them at the top; an editable installation
    uses them there.
    """

    FOLDERS = {"configs": ("*.py", "*.pth", "*.json", "*.md"), "patches": ("series", "*.diff", "*.md")}

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for folder in self.FOLDERS:
                # A build folder may be used twice: what is gone from the checkout goes from the wheel.
                shutil.rmtree(str(Path(self.build_lib, "mmonnx", folder)), ignore_errors=True)
            for source, destination in self.data_files_of_package():
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(source), str(destination))

    def data_files_of_package(self):
        """Yield each data file with its place in the build folder."""
        for folder, patterns in self.FOLDERS.items():
            for source in sorted(path for pattern in patterns for path in (ROOT / folder).rglob(pattern)):
                if "__pycache__" not in source.parts:
                    yield source, Path(self.build_lib, "mmonnx", *source.relative_to(ROOT).parts)

    def get_outputs(self, include_bytecode: bool = True):
        outputs = super().get_outputs(include_bytecode)
        return outputs if self.editable_mode else outputs + [str(target) for _, target in self.data_files_of_package()]


setup(
    name="mmonnx",
    version=runpy.run_path(str(ROOT / "mmonnx" / "version.py"))["__version__"],
    description="OpenMMLab 1.x models as ONNX files that give the same answers as PyTorch",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    python_requires=">=3.8",
    packages=find_packages(include=["mmonnx", "mmonnx.*"]),
    package_data={"mmonnx.page": ["*.css"]},
    cmdclass={"build_py": BuildWithData},
    zip_safe=False,
    entry_points={"console_scripts": ["mmonnx = mmonnx.cli:main"]},
    # What `predict`, `inspect` and `check` need; who exports has PyTorch already, or asks for it.
    install_requires=["numpy<2", "onnx", "onnxruntime", "opencv-python-headless<5", "pillow", "rich"],
    extras_require={
        # scikit-image: the photographs that --verify runs on when no image is given.
        "export": ["torch>=1.8", "torchvision", "onnxsim", "onnxslim", "scikit-image"],
        # mmcv 1.x is needed too, but cannot be named: mmcv and mmcv-full are two distributions of one package, either
        # serves, and whoever has compiled mmcv-full must not get mmcv installed over it. Neither builds in pip's
        # isolated build with today's setuptools: tools/bootstrap.py shows what it takes.
        "openmmlab": ["mmdet>=2.14,<3", "mmcls>=0.12,<1", "yapf<0.40.2"],
        # Instead of onnxruntime, never beside it: they install the same module. Take onnxruntime out first.
        "gpu": ["onnxruntime-gpu"],
        "dev": [
            *("pytest", "pytest-xdist", "hypothesis", "ruff", "packaging", "scikit-learn", "setuptools", "wheel"),
            'atheris; sys_platform == "linux" and platform_machine == "x86_64"',
        ],
    },
)
