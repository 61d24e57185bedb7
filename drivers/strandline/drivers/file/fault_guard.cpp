#include <strandline/drivers/file/fault_guard.h>

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace strandline {

// Slots are reused and never freed, so that the handler may walk them at any time. begin, end and damaged
// belong to whoever holds `taken`; end is zero while the slot is free or being changed. The handler
// reads end, begin, end again: the release stores of end and begin make a mixture visible as a changed end.
struct MappedWatch::Slot {
  std::atomic<bool> taken{true};
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<std::atomic<bool>*> damaged{nullptr};
  Slot* next = nullptr;  // set before the slot is published in g_slots
};

namespace {

struct GuardedCopy {
  sigjmp_buf back;
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

static_assert(std::atomic<std::uintptr_t>::is_always_lock_free && std::atomic<void*>::is_always_lock_free);

// Pushed by watch(), walked by the handler; a slot never leaves the list.
constinit std::atomic<MappedWatch::Slot*> g_slots{nullptr};
constinit struct sigaction g_previous = {};
// Initial-exec: reached without a call into the dynamic loader, which a signal handler may not make.
constinit thread_local GuardedCopy* t_copy __attribute__((tls_model("initial-exec"))) = nullptr;

std::atomic<bool>* watched_damage(std::uintptr_t address) noexcept {
  for (const MappedWatch::Slot* slot = g_slots.load(std::memory_order_acquire); slot != nullptr; slot = slot->next) {
    const std::uintptr_t end = slot->end.load(std::memory_order_acquire);
    const std::uintptr_t begin = slot->begin.load(std::memory_order_acquire);
    std::atomic<bool>* const damaged = slot->damaged.load(std::memory_order_acquire);
    if (begin <= address && address < end && slot->end.load(std::memory_order_acquire) == end) {
      return damaged;
    }
  }
  return nullptr;
}

bool replace_page(std::uintptr_t address) noexcept {
  const auto page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t page = address - address % page_size;
  // The bare system call: libc's mmap may be intercepted, and an interceptor is not async-signal-safe.
  const long mapped = ::syscall(SYS_mmap, page, page_size, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return static_cast<std::uintptr_t>(mapped) == page;
}

void pass_on(int signal_number, siginfo_t* info, void* context) noexcept {
  if ((g_previous.sa_flags & SA_SIGINFO) != 0) {
    g_previous.sa_sigaction(signal_number, info, context);
    return;
  }
  if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
    g_previous.sa_handler(signal_number);
    return;
  }
  if (info->si_code <= 0 && g_previous.sa_handler == SIG_IGN) {
    return;  // sent by kill(2), and ignored before we came
  }
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  ::sigaction(SIGBUS, &fallback, nullptr);
  if (info->si_code <= 0) {
    ::raise(signal_number);  // a fault would come again by itself on return; this one would not
  }
}

void on_sigbus(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (info->si_code > 0) {
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    GuardedCopy* const copy = t_copy;
    if (copy != nullptr && copy->begin <= address && address < copy->end) {
      // What was blocked where the fault happened, and no more: whoever wraps signal handlers (TSan does) may block
      // others around ours, and the jump does not restore the mask, to save each copy a system call.
      ::pthread_sigmask(SIG_SETMASK, &static_cast<const ucontext_t*>(context)->uc_sigmask, nullptr);
      errno = saved_errno;
      ::siglongjmp(copy->back, 1);
    }
    if (std::atomic<bool>* const damaged = watched_damage(address)) {
      damaged->store(true, std::memory_order_seq_cst);
      if (replace_page(address)) {
        errno = saved_errno;
        return;
      }
    }
  }
  pass_on(signal_number, info, context);
  errno = saved_errno;
}

int install() noexcept {
  struct sigaction action = {};
  action.sa_sigaction = &on_sigbus;
  // NODEFER: a handler that we pass a fault on to may leave by siglongjmp, as it could before.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  // Read before installing: a SIGBUS of another thread in between must find the handler to chain to.
  if (::sigaction(SIGBUS, nullptr, &g_previous) != 0 || ::sigaction(SIGBUS, &action, nullptr) != 0) {
    return errno;
  }
  return 0;
}

// Not inlined: it calls setjmp, so no variable of a caller may live across it.
[[gnu::noinline]] bool copy_or_return(GuardedCopy& copy, void* to, const void* from, std::size_t size) noexcept {
  if (sigsetjmp(copy.back, 0) != 0) {
    t_copy = nullptr;
    return false;
  }
  t_copy = &copy;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(to, from, size);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  t_copy = nullptr;
  return true;
}

MappedWatch::Slot* take_slot() noexcept {
  for (MappedWatch::Slot* slot = g_slots.load(std::memory_order_acquire); slot != nullptr; slot = slot->next) {
    bool expected = false;
    if (slot->taken.compare_exchange_strong(expected, true, std::memory_order_acquire, std::memory_order_relaxed)) {
      return slot;
    }
  }
  auto* const slot = new (std::nothrow) MappedWatch::Slot;
  if (slot != nullptr) {
    slot->next = g_slots.load(std::memory_order_relaxed);
    while (!g_slots.compare_exchange_weak(slot->next, slot, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }
  return slot;
}

}  // namespace

Result<void> FaultGuard::arm() noexcept {
  static const int installed = install();
  if (installed != 0) {
    return fail(Error::system(installed, "sigaction SIGBUS"));
  }
  return {};
}

bool FaultGuard::guarded_copy(void* to, const void* from, std::size_t size) noexcept {
  GuardedCopy copy;
  copy.begin = reinterpret_cast<std::uintptr_t>(from);
  copy.end = copy.begin + size;
  return copy_or_return(copy, to, from, size);
}

Result<void> MappedWatch::watch(const void* begin, std::size_t size) noexcept {
  slot_ = take_slot();
  if (slot_ == nullptr) {
    return fail(Errc::no_memory, "watch a mapping");
  }
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  slot_->damaged.store(&damaged_, std::memory_order_release);
  slot_->begin.store(from, std::memory_order_release);
  slot_->end.store(from + size, std::memory_order_release);
  return {};
}

MappedWatch::~MappedWatch() {
  if (slot_ != nullptr) {
    slot_->end.store(0, std::memory_order_release);
    slot_->taken.store(false, std::memory_order_release);
  }
}

}  // namespace strandline
