"""The packages of the wheel; what else there is to say of it is in pyproject.toml."""

from setuptools import find_packages, setup

# They stay out of mmonnx/ in the checkout, where people look for them at the top; ``mmonnx.support.resources`` finds
# them inside of the installed package.
DATA = {
    "configs": ["*.md", "**/*.py", "**/*.pth", "**/*.json", "**/*.md"],
    "patches": ["series", "**/*.diff", "*.md", "**/*.md"],
}

setup(
    packages=[*find_packages(include=["mmonnx", "mmonnx.*"]), *(f"mmonnx.{folder}" for folder in DATA)],
    package_dir={f"mmonnx.{folder}": folder for folder in DATA},
    package_data={
        "mmonnx.runtime.engines": ["*.js"],
        "mmonnx.runtime.pages": ["*.css"],
        "mmonnx.targets": ["*.json"],
        **{f"mmonnx.{folder}": names for folder, names in DATA.items()},
    },
    zip_safe=False,
)
