#include "convert.h"

#include <ATen/ATen.h>
#include <c10/core/Device.h>

#include <cmath>
#include <stdexcept>
#include <utility>

#include "compat.h"
#include "handles.h"

namespace csrm {

namespace {

constexpr std::pair<const char*, at::ScalarType> kDtypes[] = {
    {"float32", at::kFloat}, {"float64", at::kDouble}, {"bfloat16", at::kBFloat16}, {"float16", at::kHalf},
    {"int64", at::kLong},    {"int32", at::kInt},      {"int16", at::kShort},       {"int8", at::kChar},
    {"uint8", at::kByte},    {"bool", at::kBool},      {"complex64", at::kComplexFloat}, {"complex128", at::kComplexDouble}};

at::MemoryFormat memory_format_from_name(const std::string& name) {
  if (name == "contiguous") return at::MemoryFormat::Contiguous;
  if (name == "channels_last") return at::MemoryFormat::ChannelsLast;
  if (name == "preserve") return at::MemoryFormat::Preserve;
  throw std::invalid_argument("expected contiguous, channels_last or preserve, got \"" + name + "\"");
}

Kind kind_of(const c10::Type& type) {
  if (compat::is_int_type(type)) return Kind::Int;
  switch (type.kind()) {
    case c10::TypeKind::TensorType: return Kind::Tensor;
    case c10::TypeKind::NumberType: return Kind::Scalar;
    case c10::TypeKind::FloatType: return Kind::Float;
    case c10::TypeKind::BoolType: return Kind::Bool;
    case c10::TypeKind::StringType: return Kind::String;
    case c10::TypeKind::DeviceObjType: return Kind::Device;
    case c10::TypeKind::GeneratorType: return Kind::Generator;
    case c10::TypeKind::ScalarTypeType: return Kind::Dtype;
    case c10::TypeKind::LayoutType: return Kind::Layout;
    case c10::TypeKind::MemoryFormatType: return Kind::MemoryFormat;
    case c10::TypeKind::ListType: return Kind::List;
    default: return Kind::Unsupported;
  }
}

napi_valuetype type_of(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  return type;
}

c10::IValue scalar(double value) {
  // A whole number is an integer, as in Python's literals; it keeps integer tensors integer.
  if (std::trunc(value) == value && std::fabs(value) < 9007199254740992.0) return static_cast<int64_t>(value);
  return value;
}

int64_t whole_number(napi_env env, napi_value value) {
  if (type_of(env, value) == napi_bigint) {
    int64_t result;
    bool lossless;
    napi_get_value_bigint_int64(env, value, &result, &lossless);
    if (!lossless) throw std::invalid_argument("expected an integer of 64 bits, got a larger one");
    return result;
  }
  const double number = to_double(env, value);
  if (std::trunc(number) != number) throw std::invalid_argument("expected a whole number, got " + std::to_string(number));
  return static_cast<int64_t>(number);
}

bool truth(napi_env env, napi_value value) {
  bool result;
  if (napi_get_value_bool(env, value, &result) != napi_ok) throw std::invalid_argument("expected true or false, got something else");
  return result;
}

uint32_t array_length(napi_env env, napi_value value) {
  bool is_array = false;
  napi_is_array(env, value, &is_array);
  if (!is_array) throw std::invalid_argument("expected an array, got something else");
  uint32_t length;
  napi_get_array_length(env, value, &length);
  return length;
}

napi_value element(napi_env env, napi_value array, uint32_t i) {
  napi_value result;
  napi_get_element(env, array, i, &result);
  return result;
}

bool is_absent(napi_env env, napi_value value) {
  const napi_valuetype type = type_of(env, value);
  return type == napi_undefined || type == napi_null;
}

c10::IValue single(napi_env env, napi_value value, Kind kind, const std::string& type) {
  switch (kind) {
    case Kind::Tensor: return HandleTable::get().at(to_double(env, value));
    case Kind::Scalar:
      if (type_of(env, value) == napi_boolean) return truth(env, value);
      return scalar(to_double(env, value));
    case Kind::Int: return whole_number(env, value);
    case Kind::Float: return to_double(env, value);
    case Kind::Bool: return truth(env, value);
    case Kind::String: return to_string(env, value);
    case Kind::Device: return c10::Device(to_string(env, value));
    case Kind::Dtype: return static_cast<int64_t>(dtype_from_name(to_string(env, value)));
    case Kind::MemoryFormat: return static_cast<int64_t>(memory_format_from_name(to_string(env, value)));
    default: throw std::invalid_argument("arguments of type " + type + " cannot be given from JavaScript");
  }
}

template <class T, class Get>
c10::IValue list_of(napi_env env, napi_value value, int32_t repeat, Get get) {
  c10::List<T> list;
  bool is_array = false;
  napi_is_array(env, value, &is_array);
  if (!is_array && repeat > 0) {
    for (int32_t i = 0; i < repeat; ++i) list.push_back(get(value));
    return list;
  }
  const uint32_t length = array_length(env, value);
  list.reserve(length);
  for (uint32_t i = 0; i < length; ++i) list.push_back(get(element(env, value, i)));
  return list;
}

c10::IValue list(napi_env env, napi_value value, const Parameter& p) {
  switch (p.element) {
    case Kind::Int: return list_of<int64_t>(env, value, p.length, [&](napi_value v) { return whole_number(env, v); });
    case Kind::Float: return list_of<double>(env, value, p.length, [&](napi_value v) { return to_double(env, v); });
    case Kind::Bool: return list_of<bool>(env, value, p.length, [&](napi_value v) { return truth(env, v); });
    case Kind::Scalar:
      return list_of<at::Scalar>(env, value, -1, [&](napi_value v) { return scalar(to_double(env, v)).toScalar(); });
    case Kind::Tensor:
      if (p.optional_element)
        return list_of<c10::optional<at::Tensor>>(env, value, -1, [&](napi_value v) -> c10::optional<at::Tensor> {
          if (is_absent(env, v)) return c10::nullopt;
          return HandleTable::get().at(to_double(env, v));
        });
      return list_of<at::Tensor>(env, value, -1, [&](napi_value v) { return HandleTable::get().at(to_double(env, v)); });
    default: throw std::invalid_argument("arguments of type " + p.type + " cannot be given from JavaScript");
  }
}

}  // namespace

at::ScalarType dtype_from_name(const std::string& name) {
  for (const auto& [known, dtype] : kDtypes)
    if (name == known) return dtype;
  throw std::invalid_argument("expected a dtype such as float32, int64 or bool, got \"" + name + "\"");
}

const char* dtype_name(at::ScalarType dtype) {
  for (const auto& [name, known] : kDtypes)
    if (dtype == known) return name;
  return c10::toString(dtype);
}

Parameter Parameter::from(const c10::Argument& argument) {
  Parameter p;
  p.name = argument.name();
  const c10::Type* type = &compat::declared_type(argument);
  p.type = type->str();
  if (const auto* optional = type->castRaw<c10::OptionalType>()) {
    p.optional = true;
    type = optional->getElementType().get();
  }
  p.kind = kind_of(*type);
  if (p.kind == Kind::List) {
    const c10::Type* element_type = type->castRaw<c10::ListType>()->getElementType().get();
    if (const auto* optional = element_type->castRaw<c10::OptionalType>()) {
      p.optional_element = true;
      element_type = optional->getElementType().get();
    }
    p.element = kind_of(*element_type);
    if (argument.N()) p.length = *argument.N();
  }
  if (argument.default_value()) {
    p.has_default = true;
    p.default_value = *argument.default_value();
  } else if (p.optional) {
    p.has_default = true;  // an optional argument without a default may still be left out at this door
  }
  return p;
}

double to_double(napi_env env, napi_value value) {
  double result;
  if (napi_get_value_double(env, value, &result) != napi_ok) throw std::invalid_argument("expected a number, got something else");
  return result;
}

std::string to_string(napi_env env, napi_value value) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok)
    throw std::invalid_argument("expected a string, got something else");
  std::string result(length, '\0');
  napi_get_value_string_utf8(env, value, result.data(), length + 1, &length);
  return result;
}

std::vector<int64_t> to_int_vector(napi_env env, napi_value value) {
  std::vector<int64_t> result(array_length(env, value));
  for (uint32_t i = 0; i < result.size(); ++i) result[i] = whole_number(env, element(env, value, i));
  return result;
}

c10::IValue to_ivalue(napi_env env, napi_value value, const Parameter& p) {
  const napi_valuetype type = type_of(env, value);
  if (type == napi_undefined || type == napi_null) {
    if (type == napi_undefined && p.has_default) return p.default_value;
    if (p.optional) return c10::IValue();
    throw std::invalid_argument("expected " + p.type + ", got nothing");
  }
  return p.kind == Kind::List ? list(env, value, p) : single(env, value, p.kind, p.type);
}

napi_value from_ivalue(napi_env env, c10::IValue&& value) {
  napi_value result = nullptr;
  if (value.isTensor()) {
    napi_create_double(env, HandleTable::get().add(std::move(value).toTensor()), &result);
  } else if (value.isInt()) {
    napi_create_double(env, static_cast<double>(value.toInt()), &result);
  } else if (value.isDouble()) {
    napi_create_double(env, value.toDouble(), &result);
  } else if (value.isBool()) {
    napi_get_boolean(env, value.toBool(), &result);
  } else if (value.isString()) {
    const std::string& text = value.toStringRef();
    napi_create_string_utf8(env, text.data(), text.size(), &result);
  } else if (value.isList()) {
    auto items = std::move(value).toListRef().vec();
    napi_create_array_with_length(env, items.size(), &result);
    for (uint32_t i = 0; i < items.size(); ++i) napi_set_element(env, result, i, from_ivalue(env, std::move(items[i])));
  } else if (value.isNone()) {
    napi_get_null(env, &result);
  } else {
    throw std::runtime_error("a result of type " + value.tagKind() + " cannot be given to JavaScript");
  }
  return result;
}

}  // namespace csrm
