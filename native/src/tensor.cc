// Properties of tensors that are not operators, and the end of their handles.
#include <ATen/ATen.h>

#include "convert.h"
#include "errors.h"
#include "exports.h"
#include "handles.h"
#include "memory.h"

namespace csrm {

namespace {

napi_value number(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

napi_value boolean(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value string(napi_env env, const std::string& value) {
  napi_value result;
  napi_create_string_utf8(env, value.data(), value.size(), &result);
  return result;
}

template <class Read>
napi_value property(napi_env env, napi_callback_info info, Read read) {
  Arguments<1> given(env, info);
  return guarded(env, [&] { return read(HandleTable::get().at(to_double(env, given[0]))); });
}

napi_value shape(napi_env env, napi_callback_info info) {
  return property(env, info, [&](const at::Tensor& t) {
    napi_value result;
    napi_create_array_with_length(env, t.dim(), &result);
    for (int64_t i = 0; i < t.dim(); ++i) napi_set_element(env, result, i, number(env, static_cast<double>(t.size(i))));
    return result;
  });
}

napi_value dtype(napi_env env, napi_callback_info info) {
  return property(env, info, [&](const at::Tensor& t) { return string(env, dtype_name(t.scalar_type())); });
}

napi_value device(napi_env env, napi_callback_info info) {
  return property(env, info, [&](const at::Tensor& t) { return string(env, t.device().str()); });
}

napi_value requires_grad(napi_env env, napi_callback_info info) {
  return property(env, info, [&](const at::Tensor& t) { return boolean(env, t.requires_grad()); });
}

napi_value is_channels_last(napi_env env, napi_callback_info info) {
  return property(env, info, [&](const at::Tensor& t) { return boolean(env, t.is_contiguous(at::MemoryFormat::ChannelsLast)); });
}

napi_value item(napi_env env, napi_callback_info info) {
  return property(env, info, [&](const at::Tensor& t) {
    const at::Scalar value = t.item();
    return value.isBoolean() ? number(env, value.toBool() ? 1 : 0) : number(env, value.toDouble());
  });
}

/// What changes how much memory waits for the garbage collector.
template <void (HandleTable::*change)(double)>
napi_value with_handle(napi_env env, napi_callback_info info) {
  Arguments<1> given(env, info);
  return guarded(env, [&]() -> napi_value {
    (HandleTable::get().*change)(to_double(env, given[0]));
    HandleTable::get().report_memory(env);
    return nullptr;
  });
}

napi_value live(napi_env env, napi_callback_info) { return number(env, static_cast<double>(HandleTable::get().live())); }
napi_value live_bytes(napi_env env, napi_callback_info) { return number(env, static_cast<double>(HandleTable::get().bytes())); }

}  // namespace

const std::vector<Export>& tensor_exports() {
  static const std::vector<Export> list = {{"shape", shape},
                                           {"dtype", dtype},
                                           {"device", device},
                                           {"requiresGrad", requires_grad},
                                           {"isChannelsLast", is_channels_last},
                                           {"item", item},
                                           {"release", with_handle<&HandleTable::release>},
                                           {"collectable", with_handle<&HandleTable::collectable>},
                                           {"liveTensors", live},
                                           {"liveBytes", live_bytes},
                                           {"fromTypedArray", from_typed_array},
                                           {"toArrayBuffer", to_array_buffer}};
  return list;
}

}  // namespace csrm
