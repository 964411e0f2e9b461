// What stands between convolutions, for maps of T with channels last: channels in packs of four, one pack a thread; see program.h.
// clang-format off
KERNELS(

struct alignas(4 * sizeof(T)) Pack {
  T at[4];
};

DEVICE Pack pack_of(const T* values, int64 i) {
  return ((const Pack*)values)[i];
}

// A thread's pack of channels in four of the rows of a map (its pixels of all images), so that what is known of the channels is read once.
struct Share {
  int64 row;
  int64 apart;
  int pack;
};

DEVICE Share share_of(int64 thread, int packs, int64 rows) {
  Share s;
  s.apart = (rows + 3) / 4;
  s.row = thread / packs;
  s.pack = (int)(thread - s.row * packs);
  return s;
}

// y = (x - mean) / sqrt(variance + eps) * weight + bias [+ more], where it is asked for without what is below zero. NaN stays NaN.
KERNEL norm_act(const T* x, const T* more, const float* mean, const float* variance, const float* weight, const float* bias, float eps, int relu, int channels, int64 rows, T* y) {
  const int packs = channels / 4;
  const Share s = share_of(THREAD, packs, rows);
  if (s.row >= s.apart) return;
  float scale[4];
  float shift[4];
  for (int k = 0; k < 4; k++) {
    const int c = s.pack * 4 + k;
    scale[k] = weight[c] * inverse_root(variance[c] + eps);
    shift[k] = bias[c] - mean[c] * scale[k];
  }
  for (int part = 0; part < 4; part++) {
    const int64 row = s.row + part * s.apart;
    if (row >= rows) return;
    const int64 i = row * packs + s.pack;
    const Pack in = pack_of(x, i);
    Pack other = in;
    if (more) other = pack_of(more, i);
    Pack out;
    for (int k = 0; k < 4; k++) {
      float value = widened(in.at[k]) * scale[k] + shift[k];
      if (more) value += widened(other.at[k]);
      narrowed(relu && value < 0 ? 0 : value, out.at[k]);
    }
    ((Pack*)y)[i] = out;
  }
}

// From the gradient of y those of x and of `more`, either of which may be left out; y only where it was rectified.
KERNEL norm_act_back(const T* dy, const T* y, const float* variance, const float* weight, float eps, int channels, int64 rows, T* dx, T* dmore) {
  const int packs = channels / 4;
  const Share s = share_of(THREAD, packs, rows);
  if (s.row >= s.apart) return;
  float scale[4];
  for (int k = 0; k < 4; k++) scale[k] = weight[s.pack * 4 + k] * inverse_root(variance[s.pack * 4 + k] + eps);
  for (int part = 0; part < 4; part++) {
    const int64 row = s.row + part * s.apart;
    if (row >= rows) return;
    const int64 i = row * packs + s.pack;
    Pack passed = pack_of(dy, i);
    if (y) {
      const Pack out = pack_of(y, i);
      for (int k = 0; k < 4; k++) {
        if (widened(out.at[k]) <= 0) narrowed(0, passed.at[k]);
      }
    }
    if (dmore) ((Pack*)dmore)[i] = passed;
    if (!dx) continue;
    for (int k = 0; k < 4; k++) narrowed(widened(passed.at[k]) * scale[k], passed.at[k]);
    ((Pack*)dx)[i] = passed;
  }
}

// Split attention: maps [B, pixels, 2 channels] and weights [B, 2 channels] to the weighted sum of both halves [B, pixels, channels].
KERNEL attend(const T* maps, const T* weights, int channels, int64 pixels, int64 packs, T* out) {
  const int64 i = THREAD;
  if (i >= packs) return;
  const int own = channels / 4;
  const int64 pixel = i / own;
  const int q = (int)(i % own);
  const int64 b = pixel / pixels;
  const Pack x0 = pack_of(maps, pixel * 2 * own + q);
  const Pack x1 = pack_of(maps, (pixel * 2 + 1) * own + q);
  const Pack w0 = pack_of(weights, b * 2 * own + q);
  const Pack w1 = pack_of(weights, (b * 2 + 1) * own + q);
  Pack sum;
  for (int k = 0; k < 4; k++) narrowed(widened(x0.at[k]) * widened(w0.at[k]) + widened(x1.at[k]) * widened(w1.at[k]), sum.at[k]);
  ((Pack*)out)[i] = sum;
}

// A thread's share of a map in what follows: one pack of channels, in a stretch of an image's pixels.
struct Stretch {
  int64 image;
  int64 first;
  int64 end;
  int pack;
  bool inside;
};

DEVICE Stretch stretch_of(int64 thread, int packs, int64 pixels, int length, int64 images) {
  const int64 stretches = (pixels + length - 1) / length;
  const int64 place = thread / packs;
  Stretch s;
  s.pack = (int)(thread % packs);
  s.image = place / stretches;
  s.first = place % stretches * length;
  s.end = s.first + length < pixels ? s.first + length : pixels;
  s.inside = s.image < images;
  return s;
}

// Gradients of the maps, and added to dweights [B, 2 channels], zero before, those of the weights.
KERNEL attend_back(const T* dout, const T* maps, const T* weights, int channels, int64 pixels, int length, int64 images, T* dmaps, float* dweights) {
  const int own = channels / 4;
  const Stretch s = stretch_of(THREAD, own, pixels, length, images);
  if (!s.inside) return;
  const int64 row = s.image * 2 * own + s.pack;
  const Pack w0 = pack_of(weights, row);
  const Pack w1 = pack_of(weights, row + own);
  float sum0[4] = {0, 0, 0, 0};
  float sum1[4] = {0, 0, 0, 0};
  for (int64 p = s.first; p < s.end; p++) {
    const int64 pixel = s.image * pixels + p;
    const Pack gradient = pack_of(dout, pixel * own + s.pack);
    const Pack x0 = pack_of(maps, pixel * 2 * own + s.pack);
    const Pack x1 = pack_of(maps, (pixel * 2 + 1) * own + s.pack);
    Pack d0;
    Pack d1;
    for (int k = 0; k < 4; k++) {
      const float g = widened(gradient.at[k]);
      narrowed(g * widened(w0.at[k]), d0.at[k]);
      narrowed(g * widened(w1.at[k]), d1.at[k]);
      sum0[k] += g * widened(x0.at[k]);
      sum1[k] += g * widened(x1.at[k]);
    }
    ((Pack*)dmaps)[pixel * 2 * own + s.pack] = d0;
    ((Pack*)dmaps)[(pixel * 2 + 1) * own + s.pack] = d1;
  }
  for (int k = 0; k < 4; k++) {
    add_to(dweights + row * 4 + k, sum0[k]);
    add_to(dweights + (row + own) * 4 + k, sum1[k]);
  }
}

// Adds to sums [B, groups, 2], zero before, the sum and the sum of squares of each group's differences to its first value. All of a thread's
// channels are of one group.
KERNEL group_sums(const T* x, int channels, int groups, int64 pixels, int length, int64 images, double* sums) {
  const Stretch s = stretch_of(THREAD, channels / 4, pixels, length, images);
  const int of_group = channels / groups;
  const float start = s.inside ? widened(x[s.image * pixels * channels + s.pack * 4 / of_group * of_group]) : 0;
  float sum = 0;
  float squares = 0;
  for (int64 p = s.first; s.inside && p < s.end; p++) {
    const Pack in = pack_of(x, (s.image * pixels + p) * (channels / 4) + s.pack);
    for (int k = 0; k < 4; k++) {
      const float value = widened(in.at[k]) - start;
      sum += value;
      squares += value * value;
    }
  }
  const int64 group = s.inside ? s.image * groups + s.pack * 4 / of_group : -1;
  const Run run((int)group);
  sum = run.sum(sum);
  squares = run.sum(squares);
  if (run.first() && s.inside) {
    add_to(sums + 2 * group, (double)sum);
    add_to(sums + 2 * group + 1, (double)squares);
  }
}

// y = (x - mean) * deviation * weight + bias, rectified where that is asked for; statistics [B, groups, 2]: mean and 1 / deviation.
KERNEL group_norm(const T* x, const float* statistics, const float* weight, const float* bias, int relu, int channels, int groups, int64 pixels, int64 packs, T* y) {
  const int64 i = THREAD;
  if (i >= packs) return;
  const int own = channels / 4;
  const int first = (int)(i % own) * 4;
  const float* of_group = statistics + 2 * (i / own / pixels * groups + first / (channels / groups));
  const Pack in = pack_of(x, i);
  Pack out;
  for (int k = 0; k < 4; k++) {
    const float value = (widened(in.at[k]) - of_group[0]) * (of_group[1] * weight[first + k]) + bias[first + k];
    narrowed(relu && value < 0 ? 0 : value, out.at[k]);
  }
  ((Pack*)y)[i] = out;
}

// What passed the ReLU of the gradient of y; all of it where y is NaN.
DEVICE float passed(T dy, float normed, float weight, float bias, int relu) {
  return relu && normed * weight + bias <= 0 ? 0 : widened(dy);
}

// Adds to sums [B, channels, 2], zero before, what passed and what passed times the normalised value.
KERNEL group_norm_sums(const T* dy, const T* x, const float* statistics, const float* weight, const float* bias, int relu, int channels, int groups, int64 pixels, int length, int64 images, float* sums) {
  const int own = channels / 4;
  const Stretch s = stretch_of(THREAD, own, pixels, length, images);
  if (!s.inside) return;
  const int first = s.pack * 4;
  const float* of_group = statistics + 2 * (s.image * groups + first / (channels / groups));
  float sum[4] = {0, 0, 0, 0};
  float product[4] = {0, 0, 0, 0};
  for (int64 p = s.first; p < s.end; p++) {
    const int64 i = (s.image * pixels + p) * own + s.pack;
    const Pack gradient = pack_of(dy, i);
    const Pack in = pack_of(x, i);
    for (int k = 0; k < 4; k++) {
      const float normed = (widened(in.at[k]) - of_group[0]) * of_group[1];
      const float g = passed(gradient.at[k], normed, weight[first + k], bias[first + k], relu);
      sum[k] += g;
      product[k] += g * normed;
    }
  }
  for (int k = 0; k < 4; k++) {
    float* place = sums + 2 * (s.image * channels + first + k);
    add_to(place, sum[k]);
    add_to(place + 1, product[k]);
  }
}

// The gradient of x; means [B, groups, 2]: of what passed times weight, and of that times the normalised value.
KERNEL group_norm_back(const T* dy, const T* x, const float* statistics, const float* means, const float* weight, const float* bias, int relu, int channels, int groups, int64 pixels, int64 packs, T* dx) {
  const int64 i = THREAD;
  if (i >= packs) return;
  const int own = channels / 4;
  const int first = (int)(i % own) * 4;
  const int64 group = 2 * (i / own / pixels * groups + first / (channels / groups));
  const Pack gradient = pack_of(dy, i);
  const Pack in = pack_of(x, i);
  Pack out;
  for (int k = 0; k < 4; k++) {
    const float normed = (widened(in.at[k]) - statistics[group]) * statistics[group + 1];
    const float g = passed(gradient.at[k], normed, weight[first + k], bias[first + k], relu) * weight[first + k];
    narrowed((g - means[group] - normed * means[group + 1]) * statistics[group + 1], out.at[k]);
  }
  ((Pack*)dx)[i] = out;
}

)
// clang-format on
