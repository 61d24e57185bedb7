// Lines: of one thing, such as an origin, no more than so many at once; the others stand in line, first come, first
// served.
// Threads: thread-safe. Blocks: never. Errors: stand() throws bad_alloc, and has changed nothing then. Cost: a lock;
// leave(): those that stand there. Lifetime: turns are called, or let go of, outside the lock; what they use outlives
// it.
#pragma once

#include <strandline/base/mutex.h>

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <string>

namespace strandline::serve {

class Lines {
 public:
  using Turn = std::function<void()>;

  explicit Lines(std::size_t at_once) noexcept : at_once_(at_once) {}

  // Is there a place? Then it is taken.
  [[nodiscard]] bool take(const std::string& of) STRANDLINE_EXCLUDES(mutex_);
  // `turn` is called once, with a place: at once, or by who gives one back. `who` is for leave().
  void stand(const std::string& of, const void* who, Turn turn) STRANDLINE_EXCLUDES(mutex_);
  // Did it stand there? Then its turn does not come any more.
  bool leave(const std::string& of, const void* who) noexcept STRANDLINE_EXCLUDES(mutex_);
  // A place: the next one's turn comes.
  void give_back(const std::string& of) STRANDLINE_EXCLUDES(mutex_);

 private:
  struct Standing {
    const void* who;
    Turn turn;
  };
  // Nobody stands there while a place is free.
  struct Line {
    std::size_t taken = 0;
    std::list<Standing> standing;
  };

  const std::size_t at_once_;
  Mutex mutex_;  // a leaf
  std::map<std::string, Line> lines_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::serve
