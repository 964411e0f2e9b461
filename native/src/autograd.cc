// Automatic differentiation: backward, gradients with respect to given tensors, gradient mode.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "convert.h"
#include "errors.h"
#include "exports.h"
#include "handles.h"

namespace csrm {

namespace {

at::Tensor tensor_at(napi_env env, napi_value value) { return HandleTable::get().at(to_double(env, value)); }

std::vector<at::Tensor> tensors_at(napi_env env, napi_value array) {
  uint32_t length = 0;
  if (napi_get_array_length(env, array, &length) != napi_ok) throw std::invalid_argument("expected an array of tensors, got something else");
  std::vector<at::Tensor> result(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value value;
    napi_get_element(env, array, i, &value);
    const double handle = to_double(env, value);
    if (handle != 0) result[i] = HandleTable::get().at(handle);  // 0: no upstream gradient given, one is implied
  }
  return result;
}

bool flag(napi_env env, napi_value value) {
  bool result = false;
  napi_get_value_bool(env, value, &result);
  return result;
}

// backward(outputs, gradients, retainGraph, createGraph)
napi_value backward(napi_env env, napi_callback_info info) {
  Arguments<4> given(env, info);
  return guarded(env, [&]() -> napi_value {
    torch::autograd::backward(tensors_at(env, given[0]), tensors_at(env, given[1]), flag(env, given[2]), flag(env, given[3]));
    return nullptr;
  }, [](const char* what) { return std::string("backward: ") + what; });
}

// gradients(outputs, inputs, gradients, retainGraph, createGraph) -> handles, 0 where an input does not matter
napi_value gradients(napi_env env, napi_callback_info info) {
  Arguments<5> given(env, info);
  return guarded(env, [&]() -> napi_value {
    auto grads = torch::autograd::grad(tensors_at(env, given[0]), tensors_at(env, given[1]), tensors_at(env, given[2]), flag(env, given[3]),
                                       flag(env, given[4]), /*allow_unused=*/true);
    napi_value result;
    napi_create_array_with_length(env, grads.size(), &result);
    for (uint32_t i = 0; i < grads.size(); ++i) {
      napi_value handle;
      napi_create_double(env, HandleTable::get().add(std::move(grads[i])), &handle);
      napi_set_element(env, result, i, handle);
    }
    return result;
  }, [](const char* what) { return std::string("grad: ") + what; });
}

napi_value set_requires_grad(napi_env env, napi_callback_info info) {
  Arguments<2> given(env, info);
  return guarded(env, [&]() -> napi_value {
    tensor_at(env, given[0]).set_requires_grad(flag(env, given[1]));
    return nullptr;
  });
}

napi_value grad_of(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    napi_value result;
    napi_create_double(env, HandleTable::get().add(tensor_at(env, given[0]).grad()), &result);
    return result;
  });
}

// setGrad(tensor, gradient or 0)
napi_value set_grad(napi_env env, napi_callback_info info) {
  Arguments<2> given(env, info);
  return guarded(env, [&]() -> napi_value {
    const double handle = to_double(env, given[1]);
    tensor_at(env, given[0]).mutable_grad() = handle == 0 ? at::Tensor() : HandleTable::get().at(handle);
    return nullptr;
  });
}

napi_value grad_mode(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  napi_value previous;
  napi_get_boolean(env, at::GradMode::is_enabled(), &previous);
  bool enabled;
  if (given.count > 0 && napi_get_value_bool(env, given[0], &enabled) == napi_ok) at::GradMode::set_enabled(enabled);
  return previous;
}

}  // namespace

const std::vector<Export>& autograd_exports() {
  static const std::vector<Export> list = {{"backward", backward}, {"gradients", gradients}, {"setRequiresGrad", set_requires_grad},
                                           {"gradOf", grad_of},    {"setGrad", set_grad},    {"gradMode", grad_mode}};
  return list;
}

}  // namespace csrm
