// Lease: the use of one entry: its resource, perhaps its writer, and what it keeps from being evicted.
// Threads: a Lease, one at a time; its resource and writer, any. Blocks: as Store says. Errors: as Store says.
// Cost: a pointer. Lifetime: ending it ends its writer and its pins; the last one of an entry cancels the resource, of
// which copies may be left.
#pragma once

#include <strandline/store/entry/entry.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace strandline::store {

class Lease {
 public:
  explicit Lease(std::shared_ptr<Entry> entry) noexcept : entry_(std::move(entry)) {}
  Lease(Lease&& other) noexcept
      : entry_(std::exchange(other.entry_, nullptr)),
        writer_(std::exchange(other.writer_, std::nullopt)),
        pins_(std::exchange(other.pins_, {})),
        observer_(std::exchange(other.observer_, nullptr)),
        successor_(std::exchange(other.successor_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      end();
      entry_ = std::exchange(other.entry_, nullptr);
      writer_ = std::exchange(other.writer_, std::nullopt);
      pins_ = std::exchange(other.pins_, {});
      observer_ = std::exchange(other.observer_, nullptr);
      successor_ = std::exchange(other.successor_, nullptr);
    }
    return *this;
  }
  ~Lease() { end(); }

  // Follows what this and other processes write. Its writer() and reactivate() are of no use: what they answer cannot
  // write; and its demand observer is the store's: set_demand_observer() here instead. While somebody writes, or there
  // is a successor, waits go on; else waits on missing bytes end with no_writer, and with changed once another version
  // has taken the entry's place.
  [[nodiscard]] const Resource<EntryDriver>& resource() const noexcept { return entry_->resource(); }
  // Null when somebody else has it, and once it has finished: committed, failed or stepped back.
  [[nodiscard]] Writer<EntryDriver>* writer() noexcept { return writer_ && writer_->active() ? &*writer_ : nullptr; }
  // Tries once more to become the writer, when others may have gone. True: writer() is there.
  [[nodiscard]] Result<bool> take_writer(Later* later = nullptr) noexcept;
  // Others may write from here on; what is missing stays missing until they do.
  void end_writing() noexcept;
  // The same, of a writer that has finished: it still stands, as somebody may be calling it.
  void end_finished() noexcept { entry_->end_finished(); }

  // For who fetches. What is waited for, in this and in other processes, as Resource::demand().
  [[nodiscard]] Result<std::vector<Demand>> demand(std::size_t limit) const noexcept {
    return entry_->demand().demand(limit);
  }
  // Is told of waits of this process as Resource::set_demand_observer() says, and while this process is the writer also
  // of others', on the store's thread: be short. When it has become the writer, and when it is set, it is told of what
  // others wait for already. One per lease; null takes it away. It may be called once more after that. no_memory.
  [[nodiscard]] Result<void> set_demand_observer(std::shared_ptr<DemandObserver> observer) noexcept;
  // For who could fetch in place of the writer. While one is set, waits go on though the writer has gone, in whatever
  // way and in whatever process, and it is called: now and at every later look, some 250 ms apart, until somebody
  // writes. One that is to bring the content calls take_writer(): exactly one process gets it, the others go on
  // following. Who cannot, or will not, takes the successor away; when none is left in this process, waits on missing
  // bytes end with no_writer. Called on the store's thread, with nothing held: be short, and do not throw. One per
  // lease; an empty function takes it away. It may be called once more after that. no_memory.
  [[nodiscard]] Result<void> set_successor(Entry::Successor called) noexcept;

  // Keeps bytes, there or not, from being evicted by anybody, until unpin() with the same range, or the lease's end.
  // Blocks for as long as an eviction of some of them takes, a second at the most: busy.
  [[nodiscard]] Result<void> pin(ByteRange range = Entry::kWhole) noexcept;
  void unpin(ByteRange range = Entry::kWhole) noexcept;

  // Into a socket, without a copy; the range has been pinned by this lease, and stays so until what was sent has
  // arrived (SIOCOUTQ of tcp(7)): what lies in the socket are the file's pages. As Entry::send_to().
  [[nodiscard]] Result<std::size_t> send_to(int socket, ByteRange range) const noexcept {
    return entry_->send_to(socket, range);
  }

  // A few words of the application's about this version, such as where it came from: kept with it, and read by whoever
  // opens it, in any process, until the next ones take their place; empty: none, as a version begins. At most kMaxNote
  // bytes: too_large. It survives a process that is killed, and a power cut as sync() says: after one, this or an
  // earlier one is found. Encrypted with the version. Blocks on the disk; needs no writer. busy while another process
  // writes or evicts; changed once another version has taken its place. Costs a journal record, and reading all of the
  // journal where this process is not writing the entry: not for every read.
  [[nodiscard]] Result<void> set_note(std::span<const std::byte> note) const noexcept { return entry_->set_note(note); }
  // Follows other processes. Of an older version that is still read: as it was.
  [[nodiscard]] Result<std::vector<std::byte>> note() const noexcept { return entry_->note(); }

  [[nodiscard]] const std::string& key() const noexcept { return entry_->key(); }
  // Of the version that this is a lease of.
  [[nodiscard]] const Validator& validator() const noexcept { return entry_->validator(); }
  [[nodiscard]] std::uint64_t generation() const noexcept { return entry_->generation(); }
  [[nodiscard]] Entry& entry() const noexcept { return *entry_; }

 private:
  void end() noexcept;

  std::shared_ptr<Entry> entry_;  // null when moved from
  std::optional<Writer<EntryDriver>> writer_;
  std::vector<ByteRange> pins_;
  std::shared_ptr<DemandObserver> observer_;
  std::shared_ptr<const Entry::Successor> successor_;
};

}  // namespace strandline::store
