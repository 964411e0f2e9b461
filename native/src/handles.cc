#include "handles.h"

#include <cstdlib>
#include <stdexcept>

namespace csrm {

namespace {
constexpr double kSlots = 1 << 26;  // 26 bits of slot and 27 of generation fit a double's 53
constexpr uint32_t kGenerations = 1u << 27;
constexpr int64_t kReportStep = 32 << 20;
}  // namespace

HandleTable& HandleTable::get() {
  static thread_local HandleTable table;
  return table;
}

double HandleTable::add(at::Tensor tensor) {
  if (!tensor.defined()) return 0;
  uint32_t slot;
  if (free_.empty()) {
    if (slots_.size() >= static_cast<size_t>(kSlots)) throw std::runtime_error("too many live tensors (2^26)");
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Slot& s = slots_[slot];
  s.bytes = tensor.layout() == at::kStrided ? static_cast<int64_t>(tensor.numel() * tensor.itemsize()) : 0;
  s.tensor = std::move(tensor);
  bytes_ += s.bytes;
  ++live_;
  return slot + kSlots * s.generation;
}

size_t HandleTable::slot_of(double handle) const {
  const double generation = static_cast<double>(static_cast<int64_t>(handle / kSlots));
  const size_t slot = static_cast<size_t>(handle - generation * kSlots);
  if (!(handle > 0) || slot >= slots_.size() || slots_[slot].generation != generation || !slots_[slot].tensor.defined())
    throw std::runtime_error("tensor used after it was disposed");
  return slot;
}

const at::Tensor& HandleTable::at(double handle) const { return slots_[slot_of(handle)].tensor; }

void HandleTable::release(double handle) {
  const size_t slot = slot_of(handle);
  Slot& s = slots_[slot];
  // Moved out first: freeing may run a deleter, and nothing it does may see a half-released slot.
  at::Tensor dying = std::move(s.tensor);
  s.tensor = at::Tensor();
  s.generation = (s.generation + 1) % kGenerations;
  bytes_ -= s.bytes;
  if (s.collectable) collectable_bytes_ -= s.bytes;
  s.collectable = false;
  --live_;
  free_.push_back(static_cast<uint32_t>(slot));
}

void HandleTable::collectable(double handle) {
  Slot& s = slots_[slot_of(handle)];
  if (!s.collectable) collectable_bytes_ += s.bytes;
  s.collectable = true;
}

void HandleTable::report_memory(napi_env env) {
  const int64_t change = collectable_bytes_ - reported_;
  if (std::llabs(change) < kReportStep) return;
  int64_t total = 0;
  napi_adjust_external_memory(env, change, &total);
  reported_ = collectable_bytes_;
}

}  // namespace csrm
