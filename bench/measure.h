// What every benchmark program shares: clocks, interleaved measuring, gates, and one JSON line per result.
// Google Benchmark reports each thing by itself and interleaves only whole repetitions, at random; a ratio that
// survives a noisy machine wants the two things in turn, in one process, which is what interleaved() does.
#pragma once

#include <strandline/base/error.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace strandline::bench {

// What the command line asked for: --quick makes everything small, so that the figures mean nothing.
struct Context {
  bool quick = false;

  [[nodiscard]] std::size_t repetitions() const noexcept { return quick ? 3 : 11; }
  [[nodiscard]] std::uint64_t scaled(std::uint64_t full, std::uint64_t small) const noexcept {
    return quick ? small : full;
  }
};

enum class Clock : std::uint8_t {
  thread_cpu,   // of the calling thread: what other programs do to the machine counts least here
  process_cpu,  // of all threads: what a call costs whoever it wakes, too
  wall
};
[[nodiscard]] double seconds(Clock clock) noexcept;

// How long `work` took, in seconds.
template <class Work>
[[nodiscard]] double timed(Clock clock, Work&& work) {
  const double before = seconds(clock);
  work();
  return seconds(clock) - before;
}

// What the heap has handed out and not got back, in bytes. Mapped memory is not in it, unless malloc mapped it.
[[nodiscard]] double heap_bytes() noexcept;

[[nodiscard]] double median(std::vector<double> samples);

struct Medians {
  double measured = 0;
  double baseline = 0;
};

// Runs the two in turn, each first every other time, after one unmeasured run of both. A callable prepares, runs
// one batch and answers what it measured of it: seconds per call, bytes per second, whatever the medians are to be of.
template <class Measured, class Baseline>
[[nodiscard]] Medians interleaved(const Context& context, Measured&& measured, Baseline&& baseline) {
  static_cast<void>(measured());
  static_cast<void>(baseline());
  std::vector<double> ours;
  std::vector<double> theirs;
  for (std::size_t repetition = 0; repetition < context.repetitions(); ++repetition) {
    if (repetition % 2 == 0) {
      ours.push_back(measured());
      theirs.push_back(baseline());
    } else {
      theirs.push_back(baseline());
      ours.push_back(measured());
    }
  }
  return {median(std::move(ours)), median(std::move(theirs))};
}

// What a result has to keep to: bounds on its value, on its ratio to the baseline, or on both.
class Gate {
 public:
  [[nodiscard]] static Gate ratio_at_most(double limit) { return Gate({Of::ratio, Side::at_most, limit}); }
  [[nodiscard]] static Gate ratio_at_least(double limit) { return Gate({Of::ratio, Side::at_least, limit}); }
  [[nodiscard]] static Gate value_at_most(double limit) { return Gate({Of::value, Side::at_most, limit}); }
  [[nodiscard]] Gate operator&&(const Gate& other) const;

  [[nodiscard]] bool met(double value, std::optional<double> ratio) const noexcept;
  // "<= 40 ns and <= 1/30": bounds on the value bear its unit.
  [[nodiscard]] std::string text(const std::string& unit) const;

 private:
  enum class Of : std::uint8_t { value, ratio };
  enum class Side : std::uint8_t { at_most, at_least };
  struct Bound {
    Of of;
    Side side;
    double limit;
  };
  explicit Gate(Bound bound) : bounds_{bound} {}

  std::vector<Bound> bounds_;
};

struct Row {
  std::string id;
  std::string what;  // the case: which size, driver or number of waiters
  std::string unit;
  double value = 0;
  std::optional<double> baseline;  // in the same unit
  std::string baseline_name;
  std::optional<Gate> gate;  // none: reported for what it explains
};

// Prints the row as one line of JSON.
void report(const Row& row);
// The common shape: both medians times `scale` (1e9: seconds to ns).
void report(std::string id, std::string what, std::string unit, double scale, Medians medians,
            std::string baseline_name, std::optional<Gate> gate);

// The value, or an exception that ends the program: a benchmark that fails measures nothing.
template <class T>
T must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return std::move(*result);
  }
}
inline void must(bool held, const char* what) {
  if (!held) {
    throw std::runtime_error(what);
  }
}

// Keeps the compiler from computing what nobody looks at.
template <class T>
inline void keep(const T& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

// A second thread that sleeps as long as this lives. glibc's mutexes leave out their atomics in a program of one
// thread, which no user of the library has.
class Bystander {
 public:
  Bystander() : thread_([this] { leave_.acquire(); }) {}
  ~Bystander() { leave_.release(); }
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;

 private:
  std::binary_semaphore leave_{0};
  std::jthread thread_;
};

struct Question {
  std::string id;
  std::function<void(const Context&)> answer;
};

// main() of every program: [--quick] [--only B3,B4] [--list]. Exits with 1 when one could not be measured, never
// because a gate was missed.
[[nodiscard]] int run(int argc, char** argv, const std::vector<Question>& questions);

}  // namespace strandline::bench
