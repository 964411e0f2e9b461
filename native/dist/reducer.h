// Sums gradients over the processes while backward still runs: a bucket of them travels as soon as its last one is there.
#pragma once
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <mutex>
#include <vector>

#include "group.h"

namespace csrm::dist {

class Reducer : public std::enable_shared_from_this<Reducer> {
 public:
  // Parameters in the order of the forward pass; their gradients come in about the reverse order.
  static std::shared_ptr<Reducer> create(std::shared_ptr<Group> group, std::vector<at::Tensor> parameters, int64_t bucket_bytes);

  // From here gradients are taken as they come. Every process begins and finishes equally often.
  void begin();
  // Sends what backward did not reach as zeros, waits, and puts the sums into the parameters' gradients. A parameter that no process
  // has a gradient of keeps none.
  void finish();

 private:
  struct Bucket {
    std::vector<size_t> members;  // indices of parameters
    at::Tensor buffer;            // their gradients, then a flag each: 1 where there was one
    std::vector<at::Tensor> slots;
    at::Tensor flags;
    size_t missing = 0;
    c10::intrusive_ptr<Work> work;
  };
  struct Place {
    size_t bucket;
    size_t index;
    bool filled;
  };
  class Hook;

  Reducer(std::shared_ptr<Group> group, std::vector<at::Tensor> parameters, int64_t bucket_bytes);
  void fill_buckets(int64_t bucket_bytes);
  void watch();
  void arrived(size_t parameter);
  void send_ready();

  std::shared_ptr<Group> group_;
  std::vector<at::Tensor> parameters_;
  // A shared pointer, of libtorch's own kind in newer versions.
  std::vector<decltype(torch::autograd::impl::grad_accumulator(std::declval<const at::Tensor&>()))> accumulators_;
  std::vector<Place> places_;
  std::vector<Bucket> buckets_;
  size_t next_ = 0;  // buckets travel in one order, the same for all processes
  bool active_ = false;
  std::mutex mutex_;
};

}  // namespace csrm::dist
