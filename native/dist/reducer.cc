#include "reducer.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace csrm::dist {

// Called by autograd when a parameter's gradient is complete.
class Reducer::Hook : public torch::autograd::FunctionPostHook {
 public:
  Hook(std::weak_ptr<Reducer> reducer, size_t parameter) : reducer_(std::move(reducer)), parameter_(parameter) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs, const torch::autograd::variable_list&) override {
    if (auto reducer = reducer_.lock()) reducer->arrived(parameter_);
    return outputs;
  }

 private:
  std::weak_ptr<Reducer> reducer_;
  size_t parameter_;
};

std::shared_ptr<Reducer> Reducer::create(std::shared_ptr<Group> group, std::vector<at::Tensor> parameters, int64_t bucket_bytes) {
  std::shared_ptr<Reducer> reducer(new Reducer(std::move(group), std::move(parameters), bucket_bytes));
  reducer->watch();
  return reducer;
}

Reducer::Reducer(std::shared_ptr<Group> group, std::vector<at::Tensor> parameters, int64_t bucket_bytes)
    : group_(std::move(group)), parameters_(std::move(parameters)), places_(parameters_.size()) {
  fill_buckets(bucket_bytes);
}

void Reducer::fill_buckets(int64_t bucket_bytes) {
  int64_t bytes = 0;
  for (size_t i = parameters_.size(); i-- > 0;) {
    const at::Tensor& parameter = parameters_[i];
    const bool fits = !buckets_.empty() && bytes < bucket_bytes && parameters_[buckets_.back().members[0]].options().type_equal(parameter.options());
    if (!fits) {
      buckets_.emplace_back();
      bytes = 0;
    }
    Bucket& bucket = buckets_.back();
    places_[i] = {buckets_.size() - 1, bucket.members.size(), false};
    bucket.members.push_back(i);
    bytes += static_cast<int64_t>(parameter.nbytes());
  }
  for (Bucket& bucket : buckets_) {
    const int64_t count = static_cast<int64_t>(bucket.members.size());
    int64_t total = 0;
    for (size_t i : bucket.members) total += parameters_[i].numel();
    bucket.buffer = at::zeros({total + count}, parameters_[bucket.members[0]].options().requires_grad(false));
    bucket.flags = bucket.buffer.narrow(0, total, count);
    int64_t offset = 0;
    for (size_t i : bucket.members) {
      // A gradient has its parameter's strides (channels last), so a slot has them too: copies are then of whole runs of memory.
      const at::Tensor& parameter = parameters_[i];
      const at::Tensor flat = bucket.buffer.narrow(0, offset, parameter.numel());
      bucket.slots.push_back(parameter.is_non_overlapping_and_dense()
                                 ? flat.as_strided(parameter.sizes(), parameter.strides(), flat.storage_offset())
                                 : flat.view(parameter.sizes()));
      offset += parameter.numel();
    }
  }
}

void Reducer::watch() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    auto accumulator = torch::autograd::impl::grad_accumulator(parameters_[i]);
    accumulator->add_post_hook(std::make_unique<Hook>(weak_from_this(), i));
    // A parameter holds its accumulator weakly; without this it would be gone, with the hook, after each backward.
    accumulators_.push_back(std::move(accumulator));
  }
}

void Reducer::begin() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Bucket& bucket : buckets_) {
    bucket.missing = bucket.members.size();
    bucket.work.reset();
    bucket.flags.zero_();
  }
  for (Place& place : places_) place.filled = false;
  next_ = 0;
  active_ = true;
}

void Reducer::arrived(size_t parameter) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Place& place = places_[parameter];
  if (!active_ || place.filled) return;
  const at::NoGradGuard no_grad;
  Bucket& bucket = buckets_[place.bucket];
  bucket.slots[place.index].copy_(parameters_[parameter].grad());
  bucket.flags.select(0, static_cast<int64_t>(place.index)).fill_(1);
  place.filled = true;
  --bucket.missing;
  send_ready();
}

void Reducer::send_ready() {
  while (next_ < buckets_.size() && buckets_[next_].missing == 0) {
    buckets_[next_].work = group_->begin_sum(buckets_[next_].buffer);
    ++next_;
  }
}

void Reducer::finish() {
  const at::NoGradGuard no_grad;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    active_ = false;
    for (const Place& place : places_)
      if (!place.filled) buckets_[place.bucket].slots[place.index].zero_();
    for (Bucket& bucket : buckets_) bucket.missing = 0;
    send_ready();
  }
  for (Bucket& bucket : buckets_) {
    bucket.work->wait();
    const at::Tensor flags = bucket.flags.cpu().to(at::kDouble);
    const double* had = flags.data_ptr<double>();
    for (size_t k = 0; k < bucket.members.size(); ++k)
      parameters_[bucket.members[k]].mutable_grad() = had[k] > 0 ? bucket.slots[k] : at::Tensor();
  }
}

}  // namespace csrm::dist
