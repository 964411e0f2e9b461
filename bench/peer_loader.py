"""torchvision's usual way to load training pictures: Pillow decodes, transforms change, a DataLoader's processes work ahead."""
import random

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as T


class ScaleCrop:
    """A random factor of the picture's size, mirrored where too small, a random cut of the wanted size."""

    def __init__(self, size, least, most):
        self.size, self.least, self.most = size, least, most

    def __call__(self, image):
        factor = random.uniform(self.least, self.most)
        width, height = int(image.width * factor), int(image.height * factor)
        image = T.resize(image, [height, width], InterpolationMode.BILINEAR)
        right, below = max(0, self.size - width), max(0, self.size - height)
        if right or below:
            image = T.pad(image, [0, 0, right, below], padding_mode="reflect")
        left = random.randint(0, image.width - self.size)
        top = random.randint(0, image.height - self.size)
        return T.crop(image, top, left, self.size, self.size)


class Pictures(Dataset):
    def __init__(self, files, change):
        self.files, self.change = files, change

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        with Image.open(self.files[index]) as image:
            return self.change(image.convert("RGB"))


def make(request):
    size = request["size"]
    if request["crop"] == "resize":
        steps = [transforms.Resize((size, size), InterpolationMode.BICUBIC), transforms.RandomHorizontalFlip()]
    else:
        jitter = transforms.ColorJitter(*[request["jitter"]] * 4)
        steps = [ScaleCrop(size, *request["scale"]), transforms.RandomHorizontalFlip(), jitter]
    return Pictures(request["files"], transforms.Compose([*steps, transforms.PILToTensor()])), request


def epoch(pictures, request):
    """Every picture once, from the start of the loader on. The main process computes nothing, so one thread is enough."""
    torch.set_num_threads(1)
    loader = DataLoader(
        pictures, batch_size=request["batch"], shuffle=True, num_workers=request["workers"], drop_last=True
    )
    return sum(len(batch) for batch in loader)
