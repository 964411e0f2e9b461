"""ResNet-50 and ResNeSt-50 in plain PyTorch, parameters named as in the public checkpoints, for comparison with csrm's."""
import torch
from torch import nn
from torch.nn import functional as F


def conv(inside, outside, kernel, stride=1, dilation=1, groups=1):
    padding = (kernel - 1) // 2 * dilation
    return nn.Conv2d(inside, outside, kernel, stride, padding, dilation, groups, bias=False)


class Bottleneck(nn.Module):
    def __init__(self, inside, planes, stride, dilation, first, stage):
        super().__init__()
        self.conv1, self.bn1 = conv(inside, planes, 1), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv(planes, planes, 3, stride, dilation), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = conv(planes, planes * 4, 1), nn.BatchNorm2d(planes * 4)
        self.downsample = None
        if first:
            self.downsample = nn.Sequential(conv(inside, planes * 4, 1, stride), nn.BatchNorm2d(planes * 4))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class SplitAttention(nn.Module):
    """Grouped convolution to two maps; their pooled sum decides, per channel, how much of each is taken."""

    def __init__(self, inside, planes, dilation):
        super().__init__()
        hidden = max(inside * 2 // 4, 32)
        self.conv, self.bn0 = conv(inside, planes * 2, 3, 1, dilation, 2), nn.BatchNorm2d(planes * 2)
        self.fc1, self.bn1 = nn.Conv2d(planes, hidden, 1), nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, planes * 2, 1)

    def forward(self, x):
        maps = F.relu(self.bn0(self.conv(x)), inplace=True)
        one, two = maps.chunk(2, 1)
        pooled = F.adaptive_avg_pool2d(one + two, 1)
        logits = self.fc2(F.relu(self.bn1(self.fc1(pooled)), inplace=True))
        share = logits.reshape(len(x), 2, -1, 1, 1).softmax(1)
        return one * share[:, 0] + two * share[:, 1]


class SplitBottleneck(nn.Module):
    def __init__(self, inside, planes, stride, dilation, first, stage):
        super().__init__()
        self.conv1, self.bn1 = conv(inside, planes, 1), nn.BatchNorm2d(planes)
        self.conv2 = SplitAttention(planes, planes, dilation)
        self.avd_layer = nn.AvgPool2d(3, stride, padding=1) if first and stage > 0 else None
        self.conv3, self.bn3 = conv(planes, planes * 4, 1), nn.BatchNorm2d(planes * 4)
        self.downsample = None
        if first:
            pool = nn.Identity() if stride == 1 else nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
            self.downsample = nn.Sequential(pool, conv(inside, planes * 4, 1), nn.BatchNorm2d(planes * 4))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.conv2(y)
        if self.avd_layer is not None:
            y = self.avd_layer(y)
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class Residual(nn.Module):
    """Stem, four stages of 3, 4, 6 and 3 blocks, classifier; past the output stride, stages dilate instead of halving."""

    def __init__(self, block, stem, stem_channels, output_stride):
        super().__init__()
        self.conv1, self.bn1 = stem, nn.BatchNorm2d(stem_channels)
        inside, total, dilation = stem_channels, 4, 1
        for stage, count in enumerate((3, 4, 6, 3)):
            planes, stride, before = 64 * 2**stage, 1, dilation
            if stage > 0 and total * 2 <= output_stride:
                stride, total = 2, total * 2
            elif stage > 0:
                dilation *= 2
            blocks = [block(inside, planes, stride, before, True, stage)]
            blocks += [block(planes * 4, planes, 1, dilation, False, stage) for _ in range(count - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            inside = planes * 4
        self.fc = nn.Linear(inside, 1000)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def resnet50(output_stride=32):
    return Residual(Bottleneck, conv(3, 64, 7, 2), 64, output_stride)


def resnest50(output_stride=16):
    stem = nn.Sequential(
        conv(3, 32, 3, 2), nn.BatchNorm2d(32), nn.ReLU(True),
        conv(32, 32, 3), nn.BatchNorm2d(32), nn.ReLU(True), conv(32, 64, 3),
    )
    return Residual(SplitBottleneck, stem, 64, output_stride)


networks = {"resnet50": resnet50, "resnest50": resnest50}
