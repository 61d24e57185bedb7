// The conformance suite of origin.h: what that header says of an origin, checked on any that joins. To join: a Subject,
// and below it STRANDLINE_ORIGIN_CONFORMS(its name); every check is then reported as one case of its own for it. The
// checks are in conformance_*.cpp (tests/origin/meson.build: conformance_files).
// Threads: see each check. Blocks: until the origin answers. Errors: a broken promise is a failed check. Cost: objects
// of some MiB. Lifetime: a subject is made anew for every case.
#pragma once

#include <strandline/origin/origin.h>

#include <doctest/doctest.h>
#include <tests/origin/reading.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace strandline::origin::conformance {

// What an origin can do; what it cannot is skipped, with a message, and must be answered with unsupported.
struct Can {
  bool write = true;      // write and remove
  bool list = true;       // likewise
  bool sort = true;       // its list comes by key, byte by byte
  bool keep_rate = true;  // ReadRequest::max_rate
  bool refuse = true;     // of two ways to write a name, such as "a/b" and "a//b", only one is a key
  static constexpr bool answer = true;
};

// A backend with a place of its own for one case. A subject S derives from it and has a static constexpr Can kCan.
class Subject {
 public:
  Subject() = default;
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  virtual ~Subject() = default;

  [[nodiscard]] virtual Origin& origin() = 0;
  // Destroys the origin, and nothing else.
  virtual void end_origin() = 0;
  // The key of the object that a check calls by this name: relative, with '/', in any letters.
  [[nodiscard]] virtual std::string key(const std::string& name) { return name; }
  // Makes or replaces an object, at once; any thread, also while it is read. To be overridden where the origin itself
  // cannot write.
  virtual void put(const std::string& name, const Bytes& content);
};

// The calls of one case. When it goes it ends the origin, and then every call has had exactly one answer, in order,
// and nothing that belongs to it is kept.
class Calls {
 public:
  explicit Calls(Subject& subject) : subject_(subject) {}
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;
  ~Calls();

  [[nodiscard]] Origin& origin() { return subject_.origin(); }
  [[nodiscard]] std::string key(const std::string& name) { return subject_.key(name); }
  void put(const std::string& name, const Bytes& content) { subject_.put(name, content); }
  void end_origin();

  // A reading that is not started yet: set its hooks, then start it. Any thread.
  [[nodiscard]] std::shared_ptr<Reading> reading(ByteRange range = {0, kMaxOffset});
  void start(const std::shared_ptr<Reading>& reading, const std::string& name, Validator if_match = {},
             std::stop_token stop = {}, std::uint64_t max_rate = 0);
  // Both, and waits. "ok" when the bytes are those of the content; else the error, or what is wrong.
  [[nodiscard]] std::string read(const std::string& name, const Bytes& content, ByteRange range = {0, kMaxOffset},
                                 Validator if_match = {});

  [[nodiscard]] Outcome<ObjectInfo> stat(const std::string& name, std::stop_token stop = {});
  [[nodiscard]] Outcome<ObjectInfo> write(const std::string& name, const Bytes& content, Validator if_match = {},
                                          bool if_absent = false, std::stop_token stop = {});
  [[nodiscard]] Outcome<void> remove(const std::string& name, std::stop_token stop = {});
  [[nodiscard]] Outcome<ListPage> list(ListRequest request, std::stop_token stop = {});
  [[nodiscard]] Outcome<bool> exists(const std::string& name);
  [[nodiscard]] Outcome<std::uint64_t> size(const std::string& name);

  // For calls that a check makes itself: an answer that is looked after as the others are.
  template <class T>
  [[nodiscard]] std::shared_ptr<Answer<T>> answer() {
    auto answer = std::make_shared<Answer<T>>();
    MutexLock lock(mutex_);
    answers_.push_back({answer, [answer = answer.get()] { return answer->calls(); }});
    return answer;
  }

 private:
  struct Kept {
    std::shared_ptr<void> answer;
    std::function<unsigned()> calls;
  };

  Subject& subject_;
  bool ended_ = false;
  Mutex mutex_;
  std::vector<std::shared_ptr<Reading>> readings_ STRANDLINE_GUARDED_BY(mutex_);
  std::vector<Kept> answers_ STRANDLINE_GUARDED_BY(mutex_);
};

// What the bytes of a reading are: "ok" when they are the content's, in its range; else what is wrong.
[[nodiscard]] std::string compare(Reading& reading, const Bytes& content);
// More than any origin hands over at once, and no multiple of anything.
inline constexpr std::uint64_t kSize = (std::uint64_t{5} << 20) + 3;
// kSize bytes, the same each time.
[[nodiscard]] const Bytes& large();

// The checks: X(S, its function, what it needs of Can, what it says).
#define STRANDLINE_ORIGIN_CHECKS(X, S)                                                                             \
  X(S, tells_of_objects, answer, "stat, exists and size tell of what is there, and of what is not")                \
  X(S, reads_ranges, answer, "read: ranges end with the object; past it they are invalid_range, with its size")    \
  X(S, reads_empty, answer, "read: an empty object has no bytes, and is read")                                     \
  X(S, misses, answer, "read: not_found of what is not there")                                                     \
  X(S, matches, answer, "read: if_match of another version is changed, without a byte")                            \
  X(S, one_version, answer, "D5: read: while the object is replaced, one version or changed")                      \
  X(S, sink_refuses, answer, "read: a sink that refuses ends it with its error")                                   \
  X(S, calls_again, answer, "a sink and a reply may call the origin again")                                        \
  X(S, many_at_once, answer, "read: many at once, from several threads")                                           \
  X(S, stopped_before, answer, "a stop before the call: interrupted, and nothing done")                            \
  X(S, stopped_inside, answer, "read: a stop fired by the sink ends it as interrupted, and no other")              \
  X(S, stopped_after, answer, "a stop after the answer does nothing")                                              \
  X(S, keeps_rate, keep_rate, "read: one that is slow by max_rate is stopped at once, and holds up no other call") \
  X(S, ends_slow_reads, keep_rate, "an origin that goes ends the reads that its rate holds back")                  \
  X(S, ends_reads, answer, "an origin that goes ends its reads, and waits for their sinks")                        \
  X(S, writes, write, "write: is read back, and replaces as a whole")                                              \
  X(S, writes_conditionally, write, "write: if_absent and if_match")                                               \
  X(S, one_writer_wins, write, "write: of many that must find nothing, or the same version, one succeeds")         \
  X(S, removes, write, "remove: what is there and what is not")                                                    \
  X(S, odd_keys, write, "odd keys are refused, or keys like others")                                               \
  X(S, one_name_one_key, refuse, "write: other spellings of a key are refused, or other keys")                     \
  X(S, lists_prefixes, list, "list: recursive, full keys, any prefix")                                             \
  X(S, lists_pages, list, "list: pages of 1, of 2 and of 1000")                                                    \
  X(S, lists_meanwhile, list, "list: what stays is told once, whatever comes and goes between the pages")          \
  X(S, refuses_writes, answer, "what an origin cannot do is unsupported")

#define STRANDLINE_ORIGIN_DECLARE(S, check, need, text) void check(Subject& subject, const Can& can);
STRANDLINE_ORIGIN_CHECKS(STRANDLINE_ORIGIN_DECLARE, )
#undef STRANDLINE_ORIGIN_DECLARE

template <class S>
void hold(bool can, const std::string& need, void (*check)(Subject&, const Can&)) {
  if (!can) {
    MESSAGE("skipped: this origin cannot ", need);
    return;
  }
  S subject;
  check(subject, S::kCan);
}

#define STRANDLINE_ORIGIN_DEFINE(S_, check, need, text)     \
  TEST_CASE_TEMPLATE_DEFINE("origin: " text, S, check##_) { \
    hold<S>(S::kCan.need, #need, check);                    \
  }
STRANDLINE_ORIGIN_CHECKS(STRANDLINE_ORIGIN_DEFINE, )
#undef STRANDLINE_ORIGIN_DEFINE

// In this namespace, below S.
#define STRANDLINE_ORIGIN_JOIN(S, check, need, text) TEST_CASE_TEMPLATE_INVOKE(check##_, S);
#define STRANDLINE_ORIGIN_CONFORMS(S) STRANDLINE_ORIGIN_CHECKS(STRANDLINE_ORIGIN_JOIN, S) static_assert(true)

}  // namespace strandline::origin::conformance
