// The library around the operators: versions, threads, random state, autocast, devices.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/csrc/api/include/torch/version.h>

#include "../cuda/driver.h"
#include "compat.h"
#include "convert.h"
#include "errors.h"
#include "exports.h"
#include "handles.h"

namespace csrm {

namespace {

void set(napi_env env, napi_value object, const char* key, const std::string& value) {
  napi_value text;
  napi_create_string_utf8(env, value.data(), value.size(), &text);
  napi_set_named_property(env, object, key, text);
}

void set(napi_env env, napi_value object, const char* key, double value) {
  napi_value number;
  napi_create_double(env, value, &number);
  napi_set_named_property(env, object, key, number);
}

int device_count(at::DeviceType type) {
  return c10::impl::hasDeviceGuardImpl(type) ? c10::impl::VirtualGuardImpl(type).deviceCount() : 0;
}

napi_value versions(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    napi_value result;
    napi_create_object(env, &result);
    set(env, result, "libtorch", TORCH_VERSION);
    set(env, result, "config", at::show_config());
    set(env, result, "parallel", at::get_parallel_info());
    set(env, result, "cudaDevices", at::hasCUDA() ? device_count(at::kCUDA) : 0);
    return result;
  });
}

// noGpuKernels(index) -> why none can be compiled for that GPU, or ""
napi_value no_gpu_kernels(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    const std::string reason = at::hasCUDA() ? cuda::why_not(static_cast<int>(to_double(env, given[0]))) : "this libtorch has no CUDA";
    napi_value result;
    napi_create_string_utf8(env, reason.data(), reason.size(), &result);
    return result;
  });
}

napi_value threads(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    int32_t wanted;
    if (given.count > 0 && napi_get_value_int32(env, given[0], &wanted) == napi_ok) {
      if (wanted < 1) throw std::invalid_argument("expected at least 1 thread, got " + std::to_string(wanted));
      at::set_num_threads(wanted);
    }
    napi_value result;
    napi_create_int32(env, at::get_num_threads(), &result);
    return result;
  });
}

napi_value manual_seed(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    at::manual_seed(static_cast<uint64_t>(to_double(env, given[0])));
    return nullptr;
  });
}

at::Generator generator_of(napi_env env, napi_value device) { return at::globalContext().defaultGenerator(c10::Device(to_string(env, device))); }

// rngState(device) -> handle of a uint8 tensor that holds the whole state
napi_value rng_state(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    at::Generator generator = generator_of(env, given[0]);
    std::lock_guard<std::mutex> lock(generator.mutex());
    napi_value result;
    napi_create_double(env, HandleTable::get().add(generator.get_state()), &result);
    return result;
  });
}

napi_value set_rng_state(napi_env env, napi_callback_info info) {
  Arguments<2> given(env, info);
  return guarded(env, [&]() -> napi_value {
    at::Generator generator = generator_of(env, given[0]);
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(HandleTable::get().at(to_double(env, given[1])));
    return nullptr;
  });
}

// autocast(deviceType, enabled, dtype) -> [wasEnabled, previousDtype]; the cache of cast weights is dropped when it ends
napi_value autocast(napi_env env, napi_callback_info info) {
  Arguments<3> given(env, info);
  return guarded(env, [&]() -> napi_value {
    const at::DeviceType device = c10::Device(to_string(env, given[0])).type();
    napi_value result, was_enabled, previous;
    napi_create_array_with_length(env, 2, &result);
    napi_get_boolean(env, compat::autocast_enabled(device), &was_enabled);
    const std::string name = dtype_name(compat::autocast_dtype(device));
    napi_create_string_utf8(env, name.data(), name.size(), &previous);
    napi_set_element(env, result, 0, was_enabled);
    napi_set_element(env, result, 1, previous);
    bool enabled = false;
    napi_get_value_bool(env, given[1], &enabled);
    compat::set_autocast(device, enabled, dtype_from_name(to_string(env, given[2])));
    if (!enabled) at::autocast::clear_cache();
    return result;
  });
}

napi_value tf32(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    bool on = false;
    napi_get_value_bool(env, given[0], &on);
    napi_value before;
    napi_get_boolean(env, at::globalContext().allowTF32CuDNN(), &before);
    at::globalContext().setAllowTF32CuDNN(on);
    return before;
  });
}

napi_value flush_denormal(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  bool on = false;
  napi_get_value_bool(env, given[0], &on);
  napi_value result;
  napi_get_boolean(env, at::globalContext().setFlushDenormal(on), &result);
  return result;
}

}  // namespace

const std::vector<Export>& runtime_exports() {
  static const std::vector<Export> list = {{"versions", versions},   {"threads", threads},        {"manualSeed", manual_seed},
                                           {"rngState", rng_state},  {"setRngState", set_rng_state}, {"autocast", autocast},
                                           {"flushDenormal", flush_denormal}, {"tf32", tf32}, {"noGpuKernels", no_gpu_kernels}};
  return list;
}

}  // namespace csrm
