// What the Scheduler says when a schedule fails, and while it is traced.
#include <tests/schedule/explorer/scheduler.h>

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace strandline::schedule {

namespace {

constexpr const char* kStates[] = {"unused",     "could run", "waits for a mutex",    "waits on a condition variable",
                                   "in a futex", "sleeps",    "waits for the others", "has finished"};

// "strandline::Core::wait(...)+0x1f"
std::string place_of(const void* caller) {
  Dl_info info{};
  if (caller == nullptr || ::dladdr(caller, &info) == 0 || info.dli_sname == nullptr) {
    return "?";
  }
  int status = 0;
  char* const readable = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  std::string place = status == 0 ? readable : info.dli_sname;
  std::free(readable);
  char offset[32];
  std::snprintf(offset, sizeof offset, "+0x%zx",
                static_cast<std::size_t>(static_cast<const char*>(caller) - static_cast<const char*>(info.dli_saddr)));
  return place.substr(0, place.find('(')) + offset;
}

}  // namespace

void Scheduler::fail(const std::string& what) noexcept {
  outcome_.failure = what;
  outcome_.fibers.clear();
  for (unsigned i = 0; i < used_; ++i) {
    outcome_.fibers += (&fibers_[i] == current_ ? "  * " : "    ") + describe(fibers_[i]) + "\n";
  }
  switch_to(hub_);
  std::abort();
}

std::string Scheduler::name_of(const void* object) {
  if (object == nullptr) {
    return "";
  }
  return " #" + std::to_string(names_.emplace(object, names_.size() + 1).first->second);
}

std::string Scheduler::describe(const Fiber& fiber) {
  std::string text = std::string(fiber.name) + " " + kStates[static_cast<int>(fiber.state)];
  if (fiber.state == Fiber::State::finished) {
    return text;
  }
  if (fiber.state != Fiber::State::ready) {
    text += name_of(fiber.object);
    if (fiber.waits() && fiber.deadline != Time::max()) {
      text += " until " + std::to_string((fiber.deadline - kBegin).count()) + " ns";
    }
  }
  return text + "; last: " + fiber.operation + ", in " + place_of(fiber.caller);
}

void Scheduler::print_step(const char* operation, const void* object, const void* caller) noexcept {
  std::printf("%5llu %-12s %-16s%-6s %s\n", static_cast<unsigned long long>(outcome_.steps), current_->name, operation,
              name_of(object).c_str(), place_of(caller).c_str());
}

}  // namespace strandline::schedule
