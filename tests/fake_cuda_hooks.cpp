// Lets autograd run on fake CUDA tensors where there is no GPU; fake_cuda.py compiles and loads it.
//
// Before a backward pass torch asks whether a GPU is in use ("has it a primary context?"), by a
// virtual function that fails without a driver. Here the entry of that function in its class's
// table of virtual functions is overwritten by one that says yes.
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

static bool yes(const void*, c10::DeviceIndex) { return true; }

// 0: done; 1: the table cannot be written to.
extern "C" int answer_for_the_gpu() {
  void** table = *(void***)&at::detail::getCUDAHooks();
  // A pointer to a virtual method begins with 1 + its offset in the table, in bytes (Itanium ABI).
  auto method = &at::CUDAHooksInterface::hasPrimaryContext;
  std::ptrdiff_t offset;
  std::memcpy(&offset, &method, sizeof offset);
  void** entry = table + (offset - 1) / sizeof(void*);
  // The table is read-only: let its page, and the next where the entry may end, be written.
  const std::uintptr_t page = sysconf(_SC_PAGESIZE);
  void* start = (void*)((std::uintptr_t)entry & ~(page - 1));
  if (mprotect(start, 2 * page, PROT_READ | PROT_WRITE) != 0) return 1;
  *entry = (void*)yes;
  return 0;
}
