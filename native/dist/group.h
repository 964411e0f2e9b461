// The processes that train together: c10d's store to meet by, and its process groups (Gloo for CPU tensors, NCCL for a GPU's).
#pragma once
#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "../src/compat.h"

#if CSRM_TORCH_AT_LEAST(2, 0)
#include <torch/csrc/distributed/c10d/Backend.hpp>
#else
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#endif

#include <memory>
#include <string>
#include <vector>

namespace csrm::dist {

// Until 2.0 a process group was its own backend.
#if CSRM_TORCH_AT_LEAST(2, 0)
using Backend = c10d::Backend;
#else
using Backend = c10d::ProcessGroup;
#endif
using Work = c10d::Work;

struct Settings {
  int rank = 0;
  int size = 1;
  std::string host;
  uint16_t port = 0;
  // How long to wait for the others at the start, and for any of them later.
  std::chrono::milliseconds join{0};
  std::chrono::milliseconds timeout{0};
  // Network interfaces to talk through, separated by commas; empty: the one that leads to the host.
  std::string interfaces;
  // The GPU of this process; -1 on a CPU.
  int gpu = -1;
};

class Group {
 public:
  // Waits for all processes. Throws when one of them does not come in time.
  explicit Group(const Settings& settings);

  int rank() const { return rank_; }
  int size() const { return size_; }
  c10d::Store& store() { return *store_; }
  // Ends the connections to the others, which learn of it at once; the store goes on. Never waits for a peer that hangs.
  void disconnect();

  // Element-wise sum over all processes, in place; the tensor is contiguous. The second does not wait.
  void sum(const at::Tensor& tensor);
  c10::intrusive_ptr<Work> begin_sum(at::Tensor tensor);
  void broadcast(at::Tensor tensor, int root);
  // One tensor a process, of any lengths along the first dimension.
  std::vector<at::Tensor> gather(const at::Tensor& tensor);

 private:
  Backend& backend(const at::Tensor& tensor);
  at::Tensor reachable(const at::Tensor& tensor) const;
  std::vector<at::Tensor> gather_equal(const at::Tensor& tensor);

  int rank_;
  int size_;
  int gpu_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
  c10::intrusive_ptr<Backend> cpu_;
  c10::intrusive_ptr<Backend> cuda_;
};

// Which backends this addon was built with: "gloo", "nccl".
std::vector<std::string> backends();
c10::intrusive_ptr<Backend> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, const Settings& settings);
c10::intrusive_ptr<Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, const Settings& settings);

// The group of this process. Throws where there is none.
std::shared_ptr<Group> current();

}  // namespace csrm::dist
