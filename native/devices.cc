#include "devices.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <ATen/detail/MPSHooksInterface.h>
#include <dlfcn.h>
#include <torch/version.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include <cstdlib>
#include <sstream>

#include "packed_linear.h"

namespace arxiv {
namespace {

DeviceInfo cpu() {
  std::vector<std::string> precisions{"fp32"};
  if (cpu_has_bf16()) precisions.push_back("bf16");
  if (has_int8()) precisions.push_back("int8");
  double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
  return {"cpu", at::get_cpu_capability(), precisions, memory};
}

// CUDA's driver is asked directly: LibTorch's own answers need CUDA's headers to compile.
class Driver {
 public:
  Driver() : library_(dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL)) {}
  ~Driver() {
    if (library_) dlclose(library_);
  }

  DeviceInfo describe(int index) const {
    DeviceInfo info{"cuda:" + std::to_string(index), "CUDA device", {"fp32", "fp16"}, 0};
    auto init = function<int(unsigned)>("cuInit");
    auto get = function<int(int*, int)>("cuDeviceGet");
    auto attribute = function<int(int*, int, int)>("cuDeviceGetAttribute");
    auto name = function<int(char*, int, int)>("cuDeviceGetName");
    auto memory = function<int(size_t*, int)>("cuDeviceTotalMem_v2");
    int device = 0, major = 0, minor = 0;
    if (!init || !get || !attribute || !name || !memory || init(0) != 0 || get(&device, index) != 0)
      return info;
    constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
    attribute(&major, kMajor, device);
    attribute(&minor, kMinor, device);
    char text[256] = "";
    name(text, sizeof text, device);
    size_t bytes = 0;
    memory(&bytes, device);
    info.description =
        std::string(text) + ", compute capability " + std::to_string(major) + "." + std::to_string(minor);
    info.memory = static_cast<double>(bytes);
    if (major >= 8) info.precisions.push_back("bf16");
    return info;
  }

 private:
  template <typename Signature>
  Signature* function(const char* symbol) const {
    return library_ ? reinterpret_cast<Signature*>(dlsym(library_, symbol)) : nullptr;
  }

  void* library_;
};

}  // namespace

bool cpu_has_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#elif defined(__aarch64__) && defined(__linux__)
  return getauxval(AT_HWCAP2) & (1UL << 14);  // HWCAP2_BF16
#else
  return false;  // LibTorch has no bf16 kernels of worth for the CPU of a Mac
#endif
}

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> all{cpu()};
  if (at::globalContext().hasCUDA()) {
    Driver driver;
    for (int i = 0; i < at::detail::getCUDAHooks().deviceCount(); i++) all.push_back(driver.describe(i));
  }
  if (at::globalContext().hasMPS()) {
    bool bf16 = at::detail::getMPSHooks().isOnMacOSorNewer(14, 0);
    all.push_back({"mps", "Apple GPU",
                   bf16 ? std::vector<std::string>{"fp32", "bf16"} : std::vector<std::string>{"fp32"}, 0});
  }
  return all;
}

std::string loaded_version() {
  // Absent from older LibTorch: those are known only by the headers.
  auto version = reinterpret_cast<uint64_t (*)()>(dlsym(RTLD_DEFAULT, "aoti_torch_abi_version"));
  if (!version) return TORCH_VERSION;
  uint64_t v = version();
  std::ostringstream text;
  text << (v >> 56) << "." << (v >> 48 & 0xff) << "." << (v >> 40 & 0xff);
  return text.str();
}

std::string built_version() { return TORCH_VERSION; }

void configure_process() {
  // Read by the libraries when they are first needed. oneDNN keeps what it compiled for each shape, a
  // thousand by default: hundreds of megabytes where every batch has a length of its own. One step's shapes,
  // which its layers share, are enough. cuBLAS wants the workspace for deterministic sums.
  setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64", 0);
  setenv("LRU_CACHE_CAPACITY", "64", 0);
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
#ifdef __GLIBC__
  // Activations are freed and allocated again at every step; returning them to the system costs a page fault
  // for each 4 KiB on the way back. These settings are the whole process's; one arena, because only the first
  // can grow freely.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (!getenv("MALLOC_ARENA_MAX")) mallopt(M_ARENA_MAX, 1);
#endif
}

void return_free_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace arxiv
