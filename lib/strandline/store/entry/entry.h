// Entry: one entry of a store in this process: its resource, shared by all leases, and what this process may do to it.
// Threads: thread-safe. Blocks: on the disk; never on another process. Errors: the driver's; changed once another
// version has its name. Cost: a look at shared memory when nothing has changed. Lifetime: shared by leases and the
// store's table; docs/store.md has roles, following and why no change is missed.
#pragma once

#include <strandline/resource/resource.h>
#include <strandline/store/entry/entry_driver.h>
#include <strandline/store/journal/follower.h>
#include <strandline/store/live/shared_demand.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace strandline::store {

class Later;
class Scout;
enum class Look : std::uint8_t;

// Invariant: while the role is reader, the resource's writer is stand_in_, or nobody; while it is writer, a lease's.
class Entry : public std::enable_shared_from_this<Entry> {
 public:
  // As the driver's open(); what another process writes is followed.
  [[nodiscard]] static Result<std::shared_ptr<Entry>> open(EntryDriver::Options options, std::string name,
                                                           std::uint64_t id) noexcept;
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;
  ~Entry();
  // Called when it ends, with nothing held. Set before it is shared.
  std::function<void(Entry&)> on_close;

  [[nodiscard]] const Resource<EntryDriver>& resource() const noexcept { return resource_; }
  [[nodiscard]] const std::string& key() const noexcept { return driver_.options().key; }
  // What the store calls it.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // Of the version that this is; constant.
  [[nodiscard]] const Validator& validator() const noexcept { return driver_.header().validator; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return driver_.header().generation; }
  [[nodiscard]] std::uint64_t torn_bytes() const noexcept { return driver_.torn_bytes(); }
  [[nodiscard]] std::string journal_path() const { return driver_.journal_path(); }
  // Tells entries apart within the process.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  // Would an opening with this validator and length use it?
  [[nodiscard]] bool serves(const Validator& validator, std::optional<std::uint64_t> length) const noexcept;

  // To exactly one caller at a time, in all processes: the writer. Nothing while another has it, and when there is
  // nothing left to write.
  [[nodiscard]] Result<std::optional<Writer<EntryDriver>>> take_writer(Later* later = nullptr) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  // What it has not brought stays missing, for the next one.
  void end_writing(Writer<EntryDriver> writer) noexcept STRANDLINE_EXCLUDES(mutex_);
  // The same, when a writer that still stands has finished: others shall not take it for one that writes.
  void end_finished() noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool is_writer() const noexcept { return driver_.role() == EntryDriver::Role::writer; }

  // Applies what other processes have done since. Cheap when that is nothing. With `later`, here and below, what
  // follows from it is left to that: for callers that hold a lock of the store's.
  [[nodiscard]] Result<void> follow(Later* later = nullptr) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Asks to be told of the next change; false when there has been one since follow().
  [[nodiscard]] bool watch() noexcept STRANDLINE_EXCLUDES(mutex_);
  // Is another process writing it, as far as this one knows? It may die without a word.
  [[nodiscard]] bool is_written_elsewhere() noexcept STRANDLINE_EXCLUDES(mutex_);
  // What is waited for, here and in other processes.
  [[nodiscard]] SharedDemand& demand() const noexcept { return *demand_; }
  // While there is one, waits on missing bytes go on though nobody writes.
  using Successor = std::function<void()>;
  [[nodiscard]] Result<void> add_successor(std::shared_ptr<const Successor> successor) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  void remove_successor(const std::shared_ptr<const Successor>& successor) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Calls them, not too often, if nobody writes what is missing. True: and must look again before long.
  [[nodiscard]] bool call_successors(std::chrono::steady_clock::time_point now) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Has another version taken its name, or nobody?
  // In a forked child: other threads of the parent's may have had any lock of it, and nobody gives those back here.
  [[nodiscard]] bool inherited() const noexcept { return driver_.inherited(); }
  [[nodiscard]] bool is_past() const noexcept { return past_.load(std::memory_order_acquire) || driver_.doomed(); }
  // Has a user shut its resource down? Others open it anew.
  [[nodiscard]] bool is_cancelled() const noexcept { return resource_.status().state == State::cancelled; }
  // Lets go of the name, for a new version or for good: what is here can still be read, and no more. busy while
  // somebody writes it.
  [[nodiscard]] Result<void> retire(Later* later = nullptr) noexcept STRANDLINE_EXCLUDES(mutex_) {
    return retire_and([]() -> Result<void> { return {}; }, later);
  }
  // Likewise, and does something while nobody else can have the name.
  [[nodiscard]] Result<void> retire_and(const std::function<Result<void>()>& then, Later* later = nullptr) noexcept
      STRANDLINE_EXCLUDES(mutex_);

  // Holds bytes against eviction by anybody, until as many unpin() calls with the same range: what is here when it
  // answers stays, for it has followed before.
  [[nodiscard]] Result<void> pin(ByteRange range) noexcept STRANDLINE_EXCLUDES(mutex_);
  void unpin(ByteRange range) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Sends bytes that are here, and that the caller has pinned, into a socket, which need not block: how many from the
  // front of the range went, 0 when it takes none now. changed: what went may not have been the content, and must not
  // be taken for it by who receives it. unsupported: encrypted, read_at() instead; not_available.
  [[nodiscard]] Result<std::size_t> send_to(int socket, ByteRange range) noexcept STRANDLINE_EXCLUDES(mutex_);
  // Gives up what is there of the range: how many bytes that was. busy while it is pinned or written, here or
  // elsewhere.
  [[nodiscard]] Result<std::uint64_t> evict(ByteRange range, Later* later = nullptr) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  // What this process has written survives a power cut; `at_any_rate`: also what it wrote before it opened the entry.
  // Nothing to do when another process writes it: that one's syncs do it.
  [[nodiscard]] Result<void> sync(bool at_any_rate = false) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] std::uint64_t unsynced() const noexcept { return driver_.unsynced(); }
  // Reads what is there, and compares it with its checksums. `read` is told how many bytes have been, now and then, and
  // ends it with false; `bad` of every block that is not what it was, and with `repair` whether it could be given up.
  [[nodiscard]] Result<void> verify(bool repair, const std::function<bool(std::uint64_t bytes)>& read,
                                    const std::function<void(ByteRange blocks, bool given_up)>& bad) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  // As Lease.
  [[nodiscard]] Result<void> set_note(std::span<const std::byte> note) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::vector<std::byte>> note() noexcept STRANDLINE_EXCLUDES(mutex_);
  // Bytes that its files take on the disk.
  [[nodiscard]] std::uint64_t allocated() noexcept STRANDLINE_EXCLUDES(mutex_);

  // All of an entry that may be pinned.
  static constexpr ByteRange kWhole{0, kMaxOffset - 2};

 private:
  Entry(Resource<EntryDriver> resource, EntryDriver& driver, std::shared_ptr<SharedDemand> demand, std::string name,
        std::uint64_t id) noexcept;
  using Effects = Core::Effects;

  // Until attempt(last) answers something: other processes hold the files for a moment at a time, and nothing tells
  // when they let go. A second, then the last attempt is made. Between two, nothing is held.
  template <class Attempt>
  static auto patiently(Attempt&& attempt) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    for (;;) {
      const bool last = std::chrono::steady_clock::now() > until;
      if (auto answer = attempt(last)) {
        return std::move(*answer);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  [[nodiscard]] Core& core() const noexcept { return *resource_.handle()->core(); }
  [[nodiscard]] Result<void> promote_locked(Effects& effects) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<bool> claim_writer(Later* later) STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::optional<Writer<EntryDriver>>> start_writing_locked(Effects& effects)
      STRANDLINE_REQUIRES(mutex_);
  void demote_locked() noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> follow_locked(bool at_any_rate, Effects& effects) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> read_journal_locked(Effects& effects) STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> apply_locked(const DecodedRecord& record, Effects& effects) STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> read_anew_locked(Effects& effects) STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> apply_difference_locked(const Replay& found, Effects& effects) STRANDLINE_REQUIRES(mutex_);
  void unpin_locked(ByteRange range) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> write_note(std::span<const std::byte> note, std::uint64_t& reserved) noexcept
      STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool drop_bad_blocks(ByteRange blocks) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Result<std::uint64_t> evict_locked(ByteRange range, bool pinned_or_not, Effects& effects) noexcept
      STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> give_up_locked(ByteRange range, Effects& effects) STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> give_up_missing_locked(const BlockMap& there, Effects& effects)
      STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] bool is_at_end_locked(const File::Facts& journal) const STRANDLINE_REQUIRES(mutex_);
  void read_last_locked(Effects& effects) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<WriterId> stand_in_locked(Effects& effects) STRANDLINE_REQUIRES(mutex_);
  void leave_stand_in_locked(Abandon how, Effects& effects) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] Result<void> reopen_locked(Effects& effects) STRANDLINE_REQUIRES(mutex_);
  void become_past_locked(Effects& effects) noexcept STRANDLINE_REQUIRES(mutex_);
  // entry_scout.cpp
  void make_scout();
  void end_scout() noexcept;
  [[nodiscard]] Look look(std::uint32_t news) noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] Look look_locked(std::uint32_t news) noexcept STRANDLINE_REQUIRES(mutex_);
  [[nodiscard]] bool apply_known_locked(Effects& effects) noexcept STRANDLINE_REQUIRES(mutex_);
  void stand_down() noexcept STRANDLINE_EXCLUDES(mutex_);
  [[nodiscard]] bool watch_locked() noexcept STRANDLINE_REQUIRES(mutex_);

  const Resource<EntryDriver> resource_;
  EntryDriver& driver_;  // the resource's
  const std::shared_ptr<SharedDemand> demand_;
  const std::string name_;
  const std::uint64_t id_;

  Mutex mutex_;  // before the resource's and the driver's; held while the disk works
  std::optional<JournalFollower> follower_ STRANDLINE_GUARDED_BY(mutex_);  // made when there is something to follow
  std::optional<WriterId> stand_in_ STRANDLINE_GUARDED_BY(mutex_);         // for a writer in another process
  std::uint32_t changes_ STRANDLINE_GUARDED_BY(mutex_) = 0;                // those that have been applied
  std::uint32_t news_ STRANDLINE_GUARDED_BY(mutex_) = 0;                   // and of those that are told of
  std::optional<std::uint32_t> asked_ STRANDLINE_GUARDED_BY(mutex_);       // the news that the keeper has asked at
  bool taking_writer_ STRANDLINE_GUARDED_BY(mutex_) = false;    // the writer's role is claimed, for one caller
  bool becoming_writer_ STRANDLINE_GUARDED_BY(mutex_) = false;  // the role is, the resource not yet
  std::optional<std::pair<std::uint64_t, std::uint64_t>> torn_ STRANDLINE_GUARDED_BY(mutex_);  // position, size
  std::atomic<bool> past_{false};  // written under the mutex
  std::vector<ByteRange> pins_ STRANDLINE_GUARDED_BY(mutex_);
  // Null where one has been removed, so that none is missed by who goes through them meanwhile.
  std::vector<std::shared_ptr<const Successor>> successors_ STRANDLINE_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point next_call_ STRANDLINE_GUARDED_BY(mutex_);  // of the successors
  std::atomic<bool> has_successors_{false};  // written under the mutex, read by the store's thread
  std::shared_ptr<Scout> scout_;             // constant once open
  std::atomic<bool> scouted_{false};         // does a thread sleep for the news, in the keeper's place?
  // What follows from its looks and is not its to run. Ends before the resource.
  std::unique_ptr<Effects> effects_ STRANDLINE_GUARDED_BY(mutex_);
};

}  // namespace strandline::store
