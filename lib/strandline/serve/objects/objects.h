// Objects: what clients ask for, open in the store; of each, one version at a time, that all who read it share.
// Threads: thread-safe; answers come on any thread, or before the call returns. Blocks: never; the destructor, until
// nothing of it runs. Errors: the origin's, and the store's. Cost: a lookup for what is open and fresh; else a question
// to the origin, one for all who wait for it. Lifetime: an object stays open while anybody reads it; what nobody reads
// any more, until others need its place.
#pragma once

#include <strandline/serve/http/caching/cache_status.h>
#include <strandline/serve/objects/notes/note_keeper.h>
#include <strandline/serve/objects/pauses.h>
#include <strandline/serve/objects/question.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace strandline::serve {

// Ends objects on a thread of its own: the end of one waits for its transfers, which may be those of the very thread
// that let go of it last. Its own end: once it has ended all.
class Closer {
 public:
  Closer();
  Closer(const Closer&) = delete;
  Closer& operator=(const Closer&) = delete;
  ~Closer();
  void close(const Object* object) noexcept STRANDLINE_EXCLUDES(mutex_);

 private:
  void run() noexcept STRANDLINE_EXCLUDES(mutex_);

  Mutex mutex_;  // a leaf
  CondVar more_;
  bool ending_ STRANDLINE_GUARDED_BY(mutex_) = false;
  const Object* unused_ STRANDLINE_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_;  // the last to be made
};

class Objects {
 public:
  struct Options {
    std::size_t most_open = 1024;  // what nobody reads goes first
    fill::Limits limits = {};
    // What is fetched ahead of one reader at the most, whatever a rule says.
    std::uint64_t most_ahead = kMaxOffset;
    // Behind its lifetime, what is here may stand in for an answer that does not come, if that may pass.
    std::chrono::seconds stale_if_error{86'400};
    // For so long an object is fresh of which its origin says nothing at all: no validator, and not for how long. And
    // of what has no validator no more parts are fetched after it: what is not whole by then is fetched anew. Nor is
    // what was said to be everybody's, and its bytes to be for one client, tried as everybody's again before that.
    std::chrono::seconds untold_for{60};
    // No origin is to be had: what the store has is served, though nobody knows any more how fresh it is.
    bool offline = false;
  };
  struct Open {
    // One of the two.
    std::shared_ptr<const Object> object;
    std::shared_ptr<const Unshared> unshared{};
    http::CacheStatus status{};  // of this request, as far as the answer does not depend on which bytes it wants
    // Why the origin did not say what it was asked: the object stands in, with what is here of it.
    std::shared_ptr<const origin::Failure> failure{};
  };
  // Why there is nothing to be served, and how the request was handled until then.
  struct Refused : origin::Failure {
    Refused(origin::Failure failure, http::CacheStatus so_far = {}) : Failure(std::move(failure)), status(so_far) {}
    http::CacheStatus status;
  };
  using Found = tl::expected<Open, Refused>;
  using Done = std::function<void(Found)>;

  Objects(store::Store store, std::shared_ptr<fill::Filler> filler, Options options);
  ~Objects();
  Objects(const Objects&) = delete;
  Objects& operator=(const Objects&) = delete;

  // Who waits for an answer, for leave().
  struct Place {
    std::string name;
    std::uint64_t number = 0;  // 0: has been answered
    std::shared_ptr<Question> alone{};
  };
  // The version that there is, open; the origin is asked which one that is, unless what is known is fresh enough for
  // this request (RFC 9111, section 4). What may not be kept for others, as the origin says it or this request does
  // (section 5.2.1.5; what is here all the same is not kept from it), is told of to each who asks. Where the store has
  // nothing of the object, first() of it is asked for at once; empty: only what it is. That is called before this
  // returns. `done` must not throw.
  Place find(Source source, const http::CacheControl& request, const std::function<ByteRange()>& first,
             Done done) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Does not wait any more: `done` is let go of, if it has not been called by now. What nobody waits for is not asked.
  void leave(const Place& place) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Is what is here of the object all that is to be had of it now?
  [[nodiscard]] bool stands_alone(const Open& open) const noexcept {
    return open.object != nullptr && (options_.offline || open.failure != nullptr);
  }
  [[nodiscard]] std::uint64_t most_ahead() const noexcept { return options_.most_ahead; }
  // Closes what nobody reads: what is asked for from here on is opened as its origin is said to be by now.
  void close_unread() noexcept STRANDLINE_EXCLUDES(mutex_);
  // The store has no room: for some seconds what is open and not all here is told of to each who asks, as what may not
  // be kept.
  void has_no_room() noexcept;
  struct Listed {
    std::string name;
    std::string content_type;
    fill::Fetched fetched;
  };
  [[nodiscard]] std::vector<Listed> open_objects() const STRANDLINE_EXCLUDES(mutex_);
  // No more than before is known of it from now on, and nothing more of it is fetched; but for those that somebody
  // reads or asks for.
  enum class Forgot : std::uint8_t { was_not_open, forgotten, in_use };
  Forgot forget(const std::string& name) noexcept STRANDLINE_EXCLUDES(mutex_);
  // How often an origin had another version of what was open.
  [[nodiscard]] std::uint64_t replaced() const noexcept { return replaced_.load(std::memory_order_relaxed); }
  // Questions to origins end, as interrupted, those under way and all that come.
  void stop() noexcept { stop_.request_stop(); }

 private:
  using Time = http::Freshness::Time;
  static constexpr std::size_t kAtDisk = 16;        // openings; each has a thread
  static constexpr std::size_t kAskingAtOnce = 16;  // of those, for one server's answer
  using Questioned = std::shared_ptr<Question>;
  struct Waiting {
    std::uint64_t number;
    http::CacheControl request;
    ByteRange first;
    Done done;
    http::CacheStatus status{};  // why it waits
    Questioned alone{};          // where the store has nothing of it: past it
  };
  struct Slot {
    std::shared_ptr<const Object> object;
    Questioned asking;
    std::list<Waiting> waiting;  // for the question under way
    std::list<std::string>::iterator used;
    std::optional<std::chrono::steady_clock::time_point> for_one_until{};  // so long each client gets its own
  };

  [[nodiscard]] http::Reuse reuse(const Object& object, const http::CacheControl& request, Time now) const;
  // The same, where it matters who asks: validated, too, for who needs the content of what only a HEAD has told of, and
  // for who would have nothing kept, of what is not all here.
  [[nodiscard]] http::Reuse reuse_for(const Waiting& one, const Object& object, Time now) const;
  // Why the origin is asked, where what is open is not good enough; null: nothing is.
  [[nodiscard]] http::CacheStatus::Forward why_asked(const Object* object, Time now) const;
  // What the origin has said, and when.
  struct Told {
    enum class By : std::uint8_t { nobody, note, origin };
    Said said{};
    http::Freshness freshness{};
    By by = By::nobody;
    bool unshared = false;
    std::optional<origin::Failure> refusal{};       // it says nothing
    bool was_asked = true;                          // else that is what it said before
    bool is_early = false;                          // its turn to ask has not come
    std::shared_ptr<const store::Lease> doubted{};  // of what is there and not gone by
    std::optional<Validator> here{};                // of what the store had before
  };
  // Does the origin say that it is for one client only, or not to be had? Not: that it could not be asked.
  [[nodiscard]] static bool is_taken_back(const Found& found) noexcept;
  struct Opening {
    Questioned question;
    fill::FetchOptions options;
    std::shared_ptr<Told> told;  // for the object that is made, by the time it is open; by nobody: what the entry tells
    std::shared_ptr<std::atomic<bool>> for_one = std::make_shared<std::atomic<bool>>(false);  // the object's
  };

  // What the origin has said and would say again, had it been asked (Retry-After).
  [[nodiscard]] std::optional<origin::Failure> paused(const Source& source) const noexcept;
  void heard(const Question& question, const origin::Failure* failure) noexcept;
  // What the slot has is asked about, or read anew; what it has not is looked for.
  [[nodiscard]] Questioned question_locked(const Source& source, const Slot& slot, ByteRange first) const
      STRANDLINE_REQUIRES(mutex_);
  void prepare_locked(Question& question, const Slot& slot) const noexcept STRANDLINE_REQUIRES(mutex_);
  void begin(const Questioned& question);
  void ask(const Questioned& question);
  void ask_for_one(const Questioned& question, Done done);
  // Who can only be answered from the store is told so, who would have nothing kept in it asks alone: before the origin
  // is asked. False: nobody is left.
  [[nodiscard]] bool turn_away(const Questioned& question) noexcept STRANDLINE_EXCLUDES(mutex_);
  void send_away(std::list<Waiting>& away) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool is_full() const noexcept;
  // Have its bytes, lately, come as for one client? What is open of it is let go of.
  [[nodiscard]] bool is_for_one_locked(Slot& slot, std::vector<std::shared_ptr<const Object>>& closed)
      STRANDLINE_REQUIRES(mutex_);
  // For what is not open: in the store, which may have noted what the origin said; else of the origin, whose first
  // answer brings what is read first.
  void look(const Questioned& question);
  [[nodiscard]] bool is_enough(const Question& question, const store::Lease& lease, Told& told) const;
  [[nodiscard]] std::optional<Told> told_by_note(const Source& source, const store::Lease& lease) const;
  // Has the store note what has been said, if that is news to `noted`: what the note will say.
  [[nodiscard]] std::shared_ptr<const Said> note(const fill::Fetched& fetched, std::shared_ptr<const Said> noted,
                                                 const Said& said);
  [[nodiscard]] Open opened_as(const Opening& opening, fill::Fetched fetched);
  void answered(const Questioned& question, Time asked, origin::Outcome<origin::ObjectInfo> info)
      STRANDLINE_EXCLUDES(mutex_);
  void open(const Questioned& question, fill::FetchOptions options, std::shared_ptr<Told> told)
      STRANDLINE_EXCLUDES(mutex_);
  void run(const std::shared_ptr<Opening>& opening);
  void stand_for_origin(const std::shared_ptr<Opening>& opening) STRANDLINE_EXCLUDES(mutex_);
  void opened(const std::shared_ptr<Opening>& opening, Result<fill::Fetched> result) STRANDLINE_EXCLUDES(mutex_);
  void give_place_back(Question& question);
  // A question has ended.
  void end_question() STRANDLINE_EXCLUDES(mutex_);
  // Tells all who wait.
  void settle(const Questioned& question, Found found) STRANDLINE_EXCLUDES(mutex_);
  void settle_left(const Questioned& question) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Tells those for whom what a note says is enough; for the others, the origin is asked.
  void settle_noted(const Questioned& question, Open noted) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] std::shared_ptr<const Object> made(Object object);
  [[nodiscard]] Slot& slot_of_locked(const std::string& name, std::vector<std::shared_ptr<const Object>>& closed)
      STRANDLINE_REQUIRES(mutex_);
  // Until no more than so many are left.
  void close_unused_locked(std::size_t most, std::vector<std::shared_ptr<const Object>>& closed)
      STRANDLINE_REQUIRES(mutex_);

  fill::Fetcher fetcher_;
  const Options options_;
  const std::shared_ptr<Closer> closer_;
  NoteKeeper notes_;
  Pauses pauses_;
  std::stop_source stop_;
  std::atomic<std::uint64_t> replaced_{0};
  std::atomic<std::chrono::steady_clock::rep> full_until_{0};
  Lines disk_{kAtDisk};
  Lines origins_{kAskingAtOnce};  // by the server's name
  mutable Mutex mutex_;           // a leaf
  CondVar idle_;
  std::uint64_t last_number_ STRANDLINE_GUARDED_BY(mutex_) = 0;
  std::size_t questions_ STRANDLINE_GUARDED_BY(mutex_) = 0;  // under way
  std::map<std::string, Slot> slots_ STRANDLINE_GUARDED_BY(mutex_);
  std::list<std::string> used_ STRANDLINE_GUARDED_BY(mutex_);  // names, the longest unused first
};

}  // namespace strandline::serve
