// A device of its own for torch, in main memory: tensors there meet no tensor of the CPU unasked.
//
// What it computes is computed by the CPU's kernels (`cpu_fallback`). Its memory is counted and can
// be bounded, so that running out of it is real. Written after the interfaces that torch documents
// for PrivateUse1 backends, as they are today and as they were in torch 2.1.

#include <ATen/EmptyTensor.h>
#include <ATen/Functions.h>
#include <ATen/NativeFunctions.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>
#include <torch/library.h>
#include <torch/version.h>

#include <algorithm>
#include <cstring>

#define TODAY (TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 6)
#if TODAY
#define SINCE(words) words
#define BEFORE(words)
#else
#define SINCE(words)
#define BEFORE(words) words
#endif

namespace {

#if TODAY
template <class T>
using Maybe = std::optional<T>;
#else
template <class T>
using Maybe = c10::optional<T>;
#endif
using Indices = c10::List<Maybe<at::Tensor>>;

constexpr auto TYPE = c10::DeviceType::PrivateUse1;
const c10::DispatchKeySet KEYS(c10::DispatchKey::PrivateUse1);
size_t allocated = 0;
size_t peak = 0;
size_t bound = 0;  // 0: as much as there is

struct Head {
  size_t size;
  size_t padding[7];  // keeps what follows on a boundary of 64
};

void give_back(void* data) {
  auto* head = static_cast<Head*>(data) - 1;
  allocated -= head->size;
  c10::free_cpu(head);
}

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t size) BEFORE(const) override {
    TORCH_CHECK_WITH(OutOfMemoryError, bound == 0 || allocated + size <= bound,
                     "the second device is out of memory");
    auto* head = static_cast<Head*>(c10::alloc_cpu(size + sizeof(Head)));
    head->size = size;
    allocated += size;
    peak = std::max(peak, allocated);
    return {head + 1, head + 1, &give_back, c10::Device(TYPE, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, std::size_t size) const SINCE(override) {
    std::memcpy(to, from, size);
  }
} memory;
REGISTER_ALLOCATOR(TYPE, &memory);

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return TYPE; }
  c10::Device exchangeDevice(c10::Device) const override { return {TYPE, 0}; }
  c10::Device getDevice() const override { return {TYPE, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device device) const BEFORE(noexcept) override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream getDefaultStream(c10::Device device) const override { return getStream(device); }
  c10::Stream exchangeStream(c10::Stream stream) const BEFORE(noexcept) override {
    return stream;
  }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

#if TODAY
struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};
const bool hooked = (at::RegisterPrivateUse1HooksInterface(new Hooks()), true);
#endif

at::Tensor empty(c10::IntArrayRef size, Maybe<at::ScalarType> dtype,
                 Maybe<at::Layout>, Maybe<at::Device>, Maybe<bool>,
                 Maybe<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &memory, KEYS, c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride,
                         Maybe<at::ScalarType> dtype, Maybe<at::Layout>,
                         Maybe<at::Device>, Maybe<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory, KEYS,
                                           c10::dtype_or_default(dtype));
}

// The same memory as a tensor of the CPU.
at::Tensor seen(const at::Tensor& tensor) {
  if (tensor.device().is_cpu()) return tensor;
  auto* data = static_cast<char*>(tensor.storage().mutable_data()) +
               tensor.storage_offset() * tensor.element_size();
  return at::from_blob(data, tensor.sizes(), tensor.strides(),
                       at::TensorOptions().dtype(tensor.scalar_type()));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  seen(to).copy_(seen(from));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (to.sizes() != from.sizes()) to.resize_(from.sizes());
  return copy_from(from, to, false);
}

const at::Tensor& resize(const at::Tensor& tensor, c10::IntArrayRef size,
                         Maybe<at::MemoryFormat>) {
  auto fresh = at::empty(size, tensor.options());
  const_cast<at::Tensor&>(tensor).set_(fresh.storage(), 0, fresh.sizes(), fresh.strides());
  return tensor;
}

at::Tensor& set(at::Tensor& tensor, c10::Storage storage, int64_t offset, c10::IntArrayRef size,
                c10::IntArrayRef stride) {
  return at::native::set_storage_cpu_(tensor, std::move(storage), offset, size, stride);
}

at::Tensor convolve(const at::Tensor& input, const at::Tensor& weight,
                    const Maybe<at::Tensor>& bias, c10::IntArrayRef stride,
                    c10::IntArrayRef padding, c10::IntArrayRef dilation, bool transposed,
                    c10::IntArrayRef output_padding, int64_t groups) {
  Maybe<at::Tensor> shift;
  if (bias.has_value() && bias->defined()) shift = seen(*bias);
  auto found = at::convolution(seen(input), seen(weight), shift, stride, padding, dilation,
                               transposed, output_padding, groups);
  auto out = at::empty(found.sizes(), input.options());
  seen(out).copy_(found);
  return out;
}

Indices seen_all(const Indices& all) {
  Indices found;
  for (Maybe<at::Tensor> one : all) {
    found.push_back(one.has_value() && one->defined() ? Maybe<at::Tensor>(seen(*one)) : one);
  }
  return found;
}

at::Tensor pick(const at::Tensor& from, const Indices& where) {
  auto found = at::index(seen(from), seen_all(where));
  auto out = at::empty(found.sizes(), from.options());
  seen(out).copy_(found);
  return out;
}

at::Tensor& put(at::Tensor& to, const Indices& where, const at::Tensor& values, bool add, bool) {
  seen(to).index_put_(seen_all(where), seen(values), add);
  return to;
}

void compute(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  at::native::cpu_fallback(op, stack);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("_copy_from", copy_from);
  library.impl("_copy_from_and_resize", copy_from_and_resize);
  library.impl("_local_scalar_dense", [](const at::Tensor& one) { return seen(one).item(); });
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", [](const at::Tensor& one, c10::IntArrayRef size) {
    return at::native::view(one, size);
  });
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("unfold", at::native::unfold);
  library.impl("convolution_overrideable", convolve);
  library.impl("index.Tensor", pick);
  library.impl("_index_put_impl_", put);
  library.impl("resize_", resize);
  library.impl("set_.source_Storage_storage_offset", set);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&compute>());
}

TORCH_LIBRARY(second_device, library) {
  library.def("allocated", []() -> int64_t { return static_cast<int64_t>(allocated); });
  library.def("peak", []() -> int64_t {
    auto found = static_cast<int64_t>(peak);
    peak = allocated;
    return found;
  });
  library.def("bound", [](int64_t bytes) { bound = static_cast<size_t>(bytes); });
}
