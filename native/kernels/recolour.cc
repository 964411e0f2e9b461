// csrm::recolour_: colour jitter and Gaussian blur of a training picture, on bytes and with Pillow's roundings, by one thread, so that a
// pool can do a picture each.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

// A product rounded together with a sum is another number than Pillow's; g++ fuses them unless told not to.
#ifdef __clang__
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

namespace {

enum Kind : int64_t { kBrightness, kContrast, kSaturation, kHue, kKinds };

struct Picture {
  uint8_t* bytes;  // height × width × 3
  int64_t height, width;
  int64_t pixels() const { return height * width; }
  int64_t size() const { return 3 * pixels(); }
};

// from + factor·(to − from), cut off to a byte.
inline uint8_t blend(int from, int to, float factor) {
  const float value = float(from) + factor * float(to - from);
  return value <= 0 ? 0 : value >= 255 ? 255 : uint8_t(value);
}

void blend_all(const Picture& picture, int from, float factor) {
  std::array<uint8_t, 256> table;
  for (int value = 0; value < 256; ++value) table[value] = blend(from, value, factor);
  for (int64_t i = 0; i < picture.size(); ++i) picture.bytes[i] = table[picture.bytes[i]];
}

// ITU-R 601 luma in 16-bit fixed point.
inline int gray(const uint8_t* p) { return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16; }

int mean_gray(const Picture& picture) {
  int64_t sum = 0;
  for (int64_t i = 0; i < picture.size(); i += 3) sum += gray(picture.bytes + i);
  return int(double(sum) / double(picture.pixels()) + 0.5);
}

void saturate(const Picture& picture, float factor) {
  for (int64_t i = 0; i < picture.size(); i += 3) {
    uint8_t* p = picture.bytes + i;
    const int level = gray(p);
    for (int c = 0; c < 3; ++c) p[c] = blend(level, p[c], factor);
  }
}

inline int rounded(double x) { return int(x + 0.5); }

// The place on the colour circle, red = 0, as a byte; in single precision where Pillow is.
inline int hue_of(int r, int g, int b, int most, int range) {
  const auto away = [&](int value) { return double(float(double(most - value) / range)); };
  const double sixths = r == most ? away(b) - away(g) : g == most ? 2 + away(r) - away(b) : 4 + away(g) - away(r);
  const double turn = double(float(sixths)) / 6 + 1;
  return int(double(float(turn >= 1 ? turn - 1 : turn)) * 255);
}

// Through hue, saturation and value of one byte each, so that even a turn of 0 rounds.
void turn_hue(const Picture& picture, double turn) {
  const int shift = int(turn * 255) & 255;
  for (int64_t i = 0; i < picture.size(); i += 3) {
    uint8_t* p = picture.bytes + i;
    const int r = p[0], g = p[1], b = p[2];
    const int value = std::max({r, g, b});
    const int range = value - std::min({r, g, b});
    if (range == 0) continue;  // gray has no hue
    const int saturation = int(double(float(double(range) / value)) * 255);
    const auto top = uint8_t(value);
    if (saturation == 0) {
      p[0] = p[1] = p[2] = top;
      continue;
    }
    const int hue = (hue_of(r, g, b, value, range) + shift) & 255;
    const double place = hue * 6 / 255.0;
    const int sector = int(place);
    const double along = float(place - sector);
    const double s = float(saturation / 255.0);
    const auto low = uint8_t(rounded(value * (1 - s)));
    const auto falling = uint8_t(rounded(value * (1 - double(float(s * along)))));
    const auto rising = uint8_t(rounded(value * (1 - s * (1 - along))));
    const auto put = [p](uint8_t red, uint8_t green, uint8_t blue) { p[0] = red, p[1] = green, p[2] = blue; };
    switch (sector % 6) {
      case 0: put(top, rising, low); break;
      case 1: put(falling, top, low); break;
      case 2: put(low, top, rising); break;
      case 3: put(low, falling, top); break;
      case 4: put(rising, low, top); break;
      default: put(top, low, falling);
    }
  }
}

// A box whose threefold use has the Gaussian's variance: `reach` whole pixels to either side, and a part of one more. Weights in 2^-24.
struct Box {
  static constexpr int64_t kOne = 1 << 24;
  int64_t reach, inner, outer;
  explicit Box(double sigma) {
    const double variance = sigma * sigma / 3;
    const double whole = std::floor((std::sqrt(12 * variance + 1) - 1) / 2);
    const double part = ((2 * whole + 1) * (whole * (whole + 1) - 3 * variance)) / (6 * (variance - (whole + 1) * (whole + 1)));
    const float radius = float(whole + part);
    reach = int64_t(radius);
    inner = int64_t(float(double(kOne) / double(float(radius * 2 + 1))));
    outer = (kOne - (reach * 2 + 1) * inner) / 2;
  }
  // The edge is repeated.
  void pass(const uint8_t* from, uint8_t* to, int64_t length) const {
    const int64_t last = length - 1;
    int64_t sum = from[0] * reach;
    for (int64_t i = 0; i <= reach; ++i) sum += from[std::min(i, last)];
    for (int64_t i = 0; i < length; ++i) {
      const int64_t before = from[i > reach ? i - reach - 1 : 0];
      const int64_t after = from[i < last - reach ? i + reach + 1 : last];
      to[i] = uint8_t((sum * inner + (before + after) * outer + kOne / 2) >> 24);
      sum += after - from[i > reach ? i - reach : 0];
    }
  }
};

void blur(const Picture& picture, double sigma) {
  const Box box(sigma);
  const int64_t longest = std::max(picture.height, picture.width);
  std::vector<uint8_t> one(longest), other(longest);
  const auto line = [&](uint8_t* start, int64_t step, int64_t length) {
    for (int64_t i = 0; i < length; ++i) one[i] = start[i * step];
    box.pass(one.data(), other.data(), length);
    box.pass(other.data(), one.data(), length);
    box.pass(one.data(), other.data(), length);
    for (int64_t i = 0; i < length; ++i) start[i * step] = other[i];
  };
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t y = 0; y < picture.height; ++y) line(picture.bytes + y * picture.width * 3 + c, 3, picture.width);
    for (int64_t x = 0; x < picture.width; ++x) line(picture.bytes + x * 3 + c, picture.width * 3, picture.height);
  }
}

/// Changes one after the other, then the blur where sigma is above 0.
at::Tensor& recolour(at::Tensor& pixels, at::IntArrayRef kinds, at::ArrayRef<double> amounts, double sigma) {
  TORCH_CHECK(pixels.scalar_type() == at::kByte && pixels.dim() == 3 && pixels.size(2) == 3 && pixels.is_contiguous() && pixels.numel() > 0,
              "expected the bytes of a picture, height × width × 3");
  TORCH_CHECK(kinds.size() == amounts.size(), "expected an amount for each of ", kinds.size(), " changes, got ", amounts.size());
  const Picture picture{pixels.data_ptr<uint8_t>(), pixels.size(0), pixels.size(1)};
  for (size_t i = 0; i < kinds.size(); ++i) {
    TORCH_CHECK(kinds[i] >= 0 && kinds[i] < kKinds, "expected a kind of change in 0..", kKinds - 1, ", got ", kinds[i]);
    TORCH_CHECK(std::isfinite(amounts[i]), "expected a finite amount, got ", amounts[i]);
    const auto factor = float(amounts[i]);
    if (kinds[i] == kBrightness) blend_all(picture, 0, factor);
    if (kinds[i] == kContrast) blend_all(picture, mean_gray(picture), factor);
    if (kinds[i] == kSaturation) saturate(picture, factor);
    if (kinds[i] == kHue) turn_hue(picture, amounts[i]);
  }
  if (sigma > 0) blur(picture, sigma);
  return pixels;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) { m.def("recolour_(Tensor(a!) pixels, int[] kinds, float[] amounts, float sigma) -> Tensor(a!)"); }
TORCH_LIBRARY_IMPL(csrm, CPU, m) { m.impl("recolour_", recolour); }
