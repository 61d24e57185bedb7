// The threads behind a FileOrigin: jobs go on when they are due, or hastened, and each ends once.
#include <strandline/origin/file/work_queue.h>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <string>

namespace strandline::origin::file {
namespace {

using std::chrono::hours;

// What jobs have done, in order.
class Log {
 public:
  void note(const std::string& what) {
    MutexLock lock(mutex_);
    text_ += what + " ";
    changed_.notify_all();
  }
  // Waits until that was noted, and answers all.
  std::string wait(const std::string& what) {
    MutexLock lock(mutex_);
    while (text_.find(what + " ") == std::string::npos) {
      changed_.wait(mutex_);
    }
    return text_;
  }
  [[nodiscard]] std::string text() {
    MutexLock lock(mutex_);
    return text_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::string text_ STRANDLINE_GUARDED_BY(mutex_);
};

using When = std::optional<Sync::time_point>;

class Noted final : public Job {
 public:
  // `step` is told how often it has been called, from 1.
  Noted(Log& log, std::string name, std::function<When(int)> step)
      : log_(log), name_(std::move(name)), step_(std::move(step)) {}
  ~Noted() override { log_.note(name_ + ":gone"); }
  When step(Scratch&) noexcept override {
    const auto due = step_(++steps_);
    log_.note(name_ + ":" + std::to_string(steps_));
    return due;
  }
  void refuse(Error error, bool may_pass) noexcept override {
    log_.note(name_ + ":" + std::string(to_string(error.code)) + (may_pass ? "?" : ""));
  }

 private:
  Log& log_;
  const std::string name_;
  const std::function<When(int)> step_;
  int steps_ = 0;
};

When later(std::chrono::hours by) {
  return Sync::now() + by;
}

}  // namespace

TEST_CASE("file origin: jobs take turns, one that waits holds no thread, and what is left is refused at the end") {
  Log log;
  {
    WorkQueue queue(1);
    queue.post(std::make_unique<Noted>(log, "waits", [](int) { return later(hours(1)); }));
    CHECK(log.wait("waits:1") == "waits:1 ");
    queue.post(std::make_unique<Noted>(log, "a", [&](int step) {
      if (step == 1) {
        queue.post(std::make_unique<Noted>(log, "b", [](int other) { return other < 3 ? When(Sync::now()) : When(); }));
      }
      return step < 3 ? When(Sync::now()) : When();
    }));
    log.wait("b:gone");
    CHECK(log.wait("a:gone") == "waits:1 a:1 b:1 a:2 b:2 a:3 a:gone b:3 b:gone ");
    queue.end();
    CHECK(log.text().ends_with("b:gone waits:cancelled waits:gone "));
    queue.post(std::make_unique<Noted>(log, "late", [](int) { return When(); }));
  }
  CHECK(log.text().ends_with("waits:gone late:cancelled late:gone "));
}

TEST_CASE("file origin: a job that is hastened goes on before all others, whenever that was") {
  Log log;
  WorkQueue queue(1);
  const auto other = [&](const std::string& name) {
    queue.post(std::make_unique<Noted>(log, name, [](int) { return When(); }));
  };
  // While it waits.
  auto waits = std::make_unique<Noted>(log, "waits", [](int step) { return step < 2 ? later(hours(1)) : When(); });
  Job& waiting = *waits;
  queue.post(std::move(waits));
  log.wait("waits:1");
  queue.hasten(waiting);
  other("a");
  CHECK(log.wait("a:gone") == "waits:1 waits:2 waits:gone a:1 a:gone ");
  // Before it is posted: from then on.
  auto early = std::make_unique<Noted>(log, "early", [&](int step) {
    if (step == 1) {
      other("b");
    }
    return step < 3 ? later(hours(1)) : When();
  });
  queue.hasten(*early);
  queue.post(std::move(early));
  CHECK(log.wait("b:gone").ends_with("early:1 early:2 early:3 early:gone b:1 b:gone "));
  // Within its step.
  Job* self = nullptr;
  auto inside = std::make_unique<Noted>(log, "inside", [&](int step) {
    if (step == 1) {
      other("c");
      queue.hasten(*self);
    }
    return step < 2 ? later(hours(1)) : When();
  });
  self = inside.get();
  queue.post(std::move(inside));
  CHECK(log.wait("c:gone").ends_with("inside:1 inside:2 inside:gone c:1 c:gone "));
}

TEST_CASE("file origin: jobs that wait are in the order in which they are due") {
  Log log;
  WorkQueue queue(1);
  for (const int due : {3, 1, 2}) {
    queue.post(std::make_unique<Noted>(log, std::to_string(due), [due](int) { return later(hours(due)); }));
    log.wait(std::to_string(due) + ":1");
  }
  queue.end();  // refuses the first first
  CHECK(log.text() == "3:1 1:1 2:1 1:cancelled 1:gone 2:cancelled 2:gone 3:cancelled 3:gone ");
}

}  // namespace strandline::origin::file
