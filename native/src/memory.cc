#include "memory.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cstring>
#include <iterator>
#include <memory>
#include <mutex>
#include <vector>

#include "convert.h"
#include "errors.h"
#include "exports.h"
#include "handles.h"

namespace csrm {

namespace {

struct Queue {
  std::mutex mutex;
  std::vector<napi_ref> references;
  std::atomic<bool> waiting{false};
};

// Shared with the deleters, which may outlive the JavaScript thread that made them.
std::shared_ptr<Queue> queue() {
  static thread_local auto mine = std::make_shared<Queue>();
  return mine;
}

}  // namespace

void drop_unreferenced_buffers(napi_env env) {
  static thread_local auto mine = queue();
  if (!mine->waiting.load(std::memory_order_relaxed)) return;
  std::vector<napi_ref> dying;
  {
    std::lock_guard<std::mutex> lock(mine->mutex);
    dying.swap(mine->references);
    mine->waiting = false;
  }
  for (napi_ref reference : dying) napi_delete_reference(env, reference);
}

napi_value from_typed_array(napi_env env, napi_callback_info info) {
  Arguments<3> given(env, info);
  return guarded(env, [&]() -> napi_value {
    drop_unreferenced_buffers(env);
    bool is_typed_array = false;
    napi_is_typedarray(env, given[0], &is_typed_array);
    if (!is_typed_array) throw std::invalid_argument("fromTypedArray: expected a typed array, got something else");
    napi_typedarray_type type;
    size_t length, offset;
    void* data;
    napi_value buffer;
    napi_get_typedarray_info(env, given[0], &type, &length, &data, &buffer, &offset);
    const at::ScalarType dtype = dtype_from_name(to_string(env, given[1]));
    const std::vector<int64_t> shape = to_int_vector(env, given[2]);
    int64_t numel = 1;
    for (int64_t size : shape) {
      if (size < 0) throw std::invalid_argument("fromTypedArray: expected sizes of at least 0, got " + std::to_string(size));
      numel *= size;
    }
    // The caller says how the bytes are read (bfloat16 travels in Uint16Array), so bytes are compared, not elements.
    static constexpr size_t kBytes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    if (static_cast<size_t>(type) >= std::size(kBytes)) throw std::invalid_argument("fromTypedArray: expected a typed array of a known kind");
    const size_t bytes = length * kBytes[type];
    if (static_cast<size_t>(numel) * c10::elementSize(dtype) != bytes)
      throw std::invalid_argument("fromTypedArray: expected " + std::to_string(numel * c10::elementSize(dtype)) + " bytes for the shape, got " + std::to_string(bytes));
    napi_ref reference;
    napi_create_reference(env, given[0], 1, &reference);
    auto home = queue();
    auto release = [home, reference](void*) {
      std::lock_guard<std::mutex> lock(home->mutex);
      home->references.push_back(reference);
      home->waiting = true;
    };
    at::Tensor tensor = at::from_blob(data, shape, release, at::TensorOptions().dtype(dtype));
    napi_value result;
    napi_create_double(env, HandleTable::get().add(std::move(tensor)), &result);
    return result;
  });
}

napi_value to_array_buffer(napi_env env, napi_callback_info info) {
  Arguments<2> given(env, info);
  return guarded(env, [&]() -> napi_value {
    bool share = false;
    napi_get_value_bool(env, given[1], &share);
    at::Tensor tensor = HandleTable::get().at(to_double(env, given[0])).detach();
    if (share && (!tensor.is_cpu() || !tensor.is_contiguous()))
      throw std::invalid_argument("sharing memory needs a contiguous tensor on the CPU; use contiguous() or to({device: \"cpu\"}) first");
    tensor = tensor.to(at::kCPU).contiguous();
    const size_t bytes = tensor.nbytes();
    napi_value result;
    if (share && bytes > 0) {
      auto* owner = new at::Tensor(tensor);
      const napi_status status = napi_create_external_arraybuffer(
          env, tensor.data_ptr(), bytes, [](napi_env, void*, void* hint) { delete static_cast<at::Tensor*>(hint); }, owner, &result);
      if (status != napi_ok) {
        delete owner;
        throw std::runtime_error("this JavaScript runtime does not allow memory to be shared; use toTypedArray(), which copies");
      }
      return result;
    }
    void* data;
    napi_create_arraybuffer(env, bytes, &data, &result);
    if (bytes > 0) std::memcpy(data, tensor.data_ptr(), bytes);
    return result;
  });
}

}  // namespace csrm
