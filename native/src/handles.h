// Tensor handles: JavaScript holds plain numbers, this table holds the tensors. A number carries a slot and a generation,
// so that a handle used after its release is an error instead of somebody else's tensor.
#pragma once
#include <ATen/ATen.h>
#include <node_api.h>

#include <cstdint>
#include <vector>

namespace csrm {

class HandleTable {
 public:
  // The table of the calling JavaScript thread (every worker has its own).
  static HandleTable& get();

  // 0 for an undefined tensor.
  double add(at::Tensor tensor);
  const at::Tensor& at(double handle) const;
  void release(double handle);
  int64_t live() const { return live_; }
  int64_t bytes() const { return bytes_; }

  // From here on JavaScript's garbage collector decides when this tensor goes, so it is told how much memory that frees. It is not told
  // of tensors that a scope will end: it could not free them, and would try again and again.
  void collectable(double handle);
  // In steps, because each call costs as much as a small operator.
  void report_memory(napi_env env);

 private:
  struct Slot {
    at::Tensor tensor;
    uint32_t generation = 0;
    int64_t bytes = 0;
    bool collectable = false;
  };
  size_t slot_of(double handle) const;
  std::vector<Slot> slots_{1};  // slot 0 stays empty: handle 0 means "no tensor"
  std::vector<uint32_t> free_;
  int64_t live_ = 0;
  int64_t bytes_ = 0;
  int64_t collectable_bytes_ = 0;
  int64_t reported_ = 0;
};

}  // namespace csrm
