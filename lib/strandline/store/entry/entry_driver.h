// EntryDriver: a resource that survives: its bytes in NAME.data, what of them may be believed in NAME.journal.
// Threads: as the Driver contract says. Blocks: on the disk, never on a lock. Errors: the file's, with its path; busy
// while another driver, in any process, has the name; corrupt for a block that is not what it was; io for good once an
// fsync has failed. Cost: a write costs a journal record besides, some 2 us; the first read of a block in an opening
// its checksum. Lifetime: the name is free again when it ends, or the process. In a fork()ed child it can only be read.
#pragma once

#include <strandline/driver/driver.h>
#include <strandline/drivers/fork_epoch.h>
#include <strandline/store/journal/journal.h>
#include <strandline/store/live/live_file.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace strandline::store {

class BlockChecks;
class Room;
class SealedData;
class SecretKey;
class Sealer;

// What survives when. A process that is killed loses nothing in either case.
enum class Durability : std::uint8_t {
  process,      // after a power cut: what was there at the last sync()
  batched,      // which the store calls in intervals of time and bytes
  every_commit  // all of what was committed
};

// Bytes of a note, which the application keeps with an entry.
inline constexpr std::size_t kMaxNote = 4000;
// Encrypted, it has a nonce and a tag before it.
static_assert(kMaxNote + sizeof(Piece::nonce) + sizeof(Piece::tag) <= kMaxNotePayload);

// docs/format.md says what is written in which order, and why what is found may be believed.
class EntryDriver {
 public:
  struct Options {
    std::shared_ptr<FileSystem> files = system_files();
    std::string name;  // path of both files, without their endings
    std::string key;
    // Another than that of what is found, or another length: what is found is of another version, and is not used.
    Validator validator;
    std::optional<std::uint64_t> length;
    Durability durability = Durability::process;
    // How processes that use it side by side hear of each other; alone without.
    Signals signals = {};
    // What its files take on the disk is taken from here; from nowhere without.
    std::shared_ptr<Room> room = {};
    // What the bytes are encrypted with; not at all without. permission_denied when what is found is encrypted and this
    // is not its key; what is found and is not encrypted is of another version.
    std::shared_ptr<const SecretKey> secret = {};
    // When another has the name, follow it instead of answering busy.
    bool may_follow = false;
    // Do not begin a new version, nor a first one: not_found.
    bool must_exist = false;
    // Called with the name's lock held, before the journal of a new version has its name. Must not throw.
    std::function<void()> before_version = {};
  };

  // Who changes the files: who holds the write lock of NAME.data. Anybody else only reads.
  enum class Role : std::uint8_t { writer, reader };

  EntryDriver() noexcept;
  ~EntryDriver();
  EntryDriver(const EntryDriver&) = delete;
  EntryDriver& operator=(const EntryDriver&) = delete;

  // What a crash has left is put right here. conflict when the name holds another key; unsupported when it is of a
  // newer version.
  [[nodiscard]] Result<DriverState> open(Options options) noexcept;
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const noexcept;
  [[nodiscard]] Result<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> data) noexcept;
  [[nodiscard]] Result<void> set_length(std::uint64_t length) noexcept;
  [[nodiscard]] Result<void> commit(std::uint64_t length) noexcept;
  [[nodiscard]] Result<void> reactivate() noexcept;
  [[nodiscard]] std::uint64_t storage_len() const noexcept { return reach_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::filesystem::path path() const { return data_path(); }
  [[nodiscard]] Result<void> sync() noexcept;

  // Gives the bytes up, and the room that their whole blocks take on the disk. Nobody may read or write them meanwhile.
  // After an error they may be there or not, and are not to be believed.
  [[nodiscard]] Result<void> evict(ByteRange range) noexcept;
  // Where processes share it, evictions are the store's, which heeds pins and holds the locks.
  [[nodiscard]] Result<void> may_evict() const noexcept;
  // By the store, around an eviction of its own. `leaving`: given up, but left in the file: pinned, somebody may be
  // sending it this moment, and would send zeros. It is written over when it comes anew, or freed with the entry.
  enum class Evicting : std::uint8_t { nothing, freeing, leaving };
  void set_evicting(Evicting evicting) noexcept { evicting_.store(evicting, std::memory_order_release); }
  // What stands in the files has been looked at up to here, when the driver was opened or last was the writer.
  [[nodiscard]] Journal::Position position() const noexcept { return position_; }
  [[nodiscard]] Role role() const noexcept {
    return role_epoch_.load(std::memory_order_acquire) % 2 != 0 ? Role::writer : Role::reader;
  }
  // A reader becomes the writer, if nobody else is: busy; changed when the name leads to other files by now. A torn
  // tail is cut off. What stands behind what the caller has followed is the caller's to apply.
  [[nodiscard]] Result<void> promote() noexcept;
  // And a reader again: waits for calls that change something and are under way. The lock stays until unlock().
  void demote() noexcept;
  // The resource knows all that the journal says, and nobody else changes anything: reads need not ask.
  void set_alone() noexcept;
  void unlock() noexcept;
  // For calls that change something and are under way.
  void wait_for_changes() const noexcept;
  // Who is going to bring the content has this, from before it is the writer until after: others change the files too,
  // to evict or to put right what a crash has left, but only for a moment. busy.
  [[nodiscard]] Result<void> claim_role() noexcept { return hold(File::kWriterRole, File::Hold::exclusive); }
  void release_role() noexcept { let_go(File::kWriterRole); }
  [[nodiscard]] Result<bool> has_writer_elsewhere() const noexcept {
    return data_->held_elsewhere(File::kWriterRole).map([](const auto& hold) { return hold.has_value(); });
  }
  // A reader has applied what the journal said when drops() was this; reads that find another call on_stale().
  void followed(std::uint32_t drops) noexcept { drops_followed_.store(drops, std::memory_order_release); }
  // While the journal's records are applied: what it says stands there already. Nobody else's calls pass meanwhile.
  void set_applying(bool applying) noexcept { applying_.store(applying, std::memory_order_release); }
  // Brings whoever follows up to date; called by reads, with nothing held. Set before the first read.
  std::function<Result<void>()> on_stale;
  // Told of a block that is not what it was, before the read that found it fails. Likewise.
  std::function<void(ByteRange)> on_bad_block;
  // Is this a forked child's copy, of an entry that its parent has open?
  [[nodiscard]] bool inherited() const noexcept { return epoch_.inherited(); }
  // Has an fsync failed? Then nothing of it is believed, and another version must take its place.
  [[nodiscard]] bool doomed() const noexcept { return doomed_.load(std::memory_order_acquire); }
  // Bytes written since the last sync() began.
  [[nodiscard]] std::uint64_t unsynced() const noexcept { return unsynced_.load(std::memory_order_relaxed); }

  // Holds bytes against eviction by other processes. busy while one is evicting some of them.
  [[nodiscard]] Result<void> pin(ByteRange range) noexcept { return hold(range, File::Hold::shared); }
  void unpin(ByteRange range) noexcept { let_go(range); }
  // Keeps other processes from pinning, while bytes are evicted. busy when one has.
  [[nodiscard]] Result<void> exclude(ByteRange range) noexcept { return hold(range, File::Hold::exclusive); }
  // Reads bytes that are there, and holds their blocks against their checksums unless that has been done since the
  // opening. changed: a block does not hold what it held, and another process may have evicted it since follow().
  [[nodiscard]] Result<void> check(ByteRange range, std::span<std::byte> buffer) const noexcept;
  // Of what is said to be there, takes out what the data file has a hole for; answers that.
  [[nodiscard]] Result<std::vector<ByteRange>> take_out_holes(BlockMap& said) const;
  // For encrypted entries; others answer yes. Have bytes that on_bad_block was told of not been replaced since?
  [[nodiscard]] bool is_still_bad(ByteRange range) const noexcept;
  // And for who follows one: a record of pieces, before that of the range that is in them; and all that a journal says.
  [[nodiscard]] Result<void> follow_pieces(std::span<const std::byte> payload) noexcept;
  [[nodiscard]] Result<void> follow_pieces(const Replay& found) noexcept;
  // Entry's, which has reserved so much room for it: 0 once what the files take has been accounted for.
  [[nodiscard]] Result<void> set_note(std::span<const std::byte> note, std::uint64_t& reserved) noexcept
      STRANDLINE_EXCLUDES(note_mutex_);
  [[nodiscard]] Result<std::vector<std::byte>> note() const noexcept STRANDLINE_EXCLUDES(note_mutex_);
  // And for who follows one: the payload of its record.
  [[nodiscard]] Result<void> follow_note(std::span<const std::byte> payload) noexcept STRANDLINE_EXCLUDES(note_mutex_);
  // Sends bytes that are there, and that the caller has pinned, into a socket: how many of them; 0: it takes none now.
  // What may have been destroyed nevertheless is asked for afterwards: `undisturbed`. unsupported when encrypted.
  struct Sent {
    std::size_t count;
    bool undisturbed;
  };
  [[nodiscard]] Result<Sent> send_to(int socket, ByteRange range) const noexcept;
  // Bytes on the disk, of both files.
  [[nodiscard]] std::uint64_t allocated() const noexcept;
  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] std::string journal_path() const { return options_.name + ".journal"; }

  // Lets go of the name, for a new version of the content: what is here can still be read, and no more.
  void retire() noexcept;

  // What the journal says of the version that is open.
  [[nodiscard]] const JournalHeader& header() const noexcept { return header_; }
  // Bytes of a torn tail that the opening has cut off.
  [[nodiscard]] std::uint64_t torn_bytes() const noexcept { return torn_bytes_; }

 private:
  // A forked child has the same open file: what it let go of, its parent would have lost.
  [[nodiscard]] Result<void> hold(ByteRange range, File::Hold how) noexcept {
    auto alive = epoch_.check("lock an entry in a forked child");
    return alive ? data_->try_hold(range, how) : alive;
  }
  void let_go(ByteRange range) noexcept {
    if (!epoch_.inherited()) {
      data_->let_go(range);
    }
  }
  [[nodiscard]] std::string data_path() const { return options_.name + ".data"; }
  // NAME.data, made if there is none, and locked.
  [[nodiscard]] Result<std::unique_ptr<File>> claim();
  [[nodiscard]] Result<DriverState> open_as_writer(std::unique_ptr<File> data);
  [[nodiscard]] Result<DriverState> open_as_reader(const BootId& boot);
  [[nodiscard]] bool is_other_version(const Replay& found) const noexcept;
  // May what is found be used with the key that there is, or without one? Nothing has been changed yet.
  [[nodiscard]] Result<void> unseal(const Replay& found);
  [[nodiscard]] Result<bool> leads_here(const File& data) const;
  [[nodiscard]] Result<DriverState> open_found(Journal::Opened found, std::unique_ptr<File> data);
  // Of what may be believed.
  [[nodiscard]] Result<DriverState> state_of(Replay& found) STRANDLINE_EXCLUDES(note_mutex_);
  [[nodiscard]] Result<DriverState> begin_version(std::uint64_t generation);
  [[nodiscard]] Result<void> may_change() const noexcept;
  [[nodiscard]] Result<void> journal_lost(std::span<const ByteRange> lost);
  [[nodiscard]] Result<void> barrier() noexcept STRANDLINE_EXCLUDES(barrier_mutex_);
  [[nodiscard]] Result<void> sync_journal() noexcept;
  [[nodiscard]] Result<void> append_checksums(std::optional<std::uint64_t> commit) noexcept
      STRANDLINE_EXCLUDES(checks_mutex_);
  [[nodiscard]] Result<void> append_commit(std::uint64_t length) noexcept;
  [[nodiscard]] Result<void> doom(Error cause) noexcept;
  // Tells everybody, and journals what write_sealed() has not.
  [[nodiscard]] Result<void> tell_of(ByteRange written) noexcept;
  // Reserves room for it, which the caller settles once it has told others.
  [[nodiscard]] Result<std::size_t> write_data(std::uint64_t offset, std::span<const std::byte> data,
                                               std::uint64_t& reserved) noexcept;
  [[nodiscard]] Result<std::size_t> read_stored(std::uint64_t offset, std::span<std::byte> out) const noexcept;
  // The first piece of it: encrypted, written and journalled.
  [[nodiscard]] Result<std::size_t> write_sealed(std::uint64_t offset, std::span<const std::byte> data) noexcept
      STRANDLINE_EXCLUDES(sealing_mutex_);
  // The same where bytes of other pieces stand that this one overlaps: they are sealed anew.
  [[nodiscard]] Result<void> write_over(ByteRange range, std::span<const std::byte> data) noexcept
      STRANDLINE_EXCLUDES(sealing_mutex_);
  [[nodiscard]] Result<std::vector<std::byte>> payload_of(std::span<const std::byte> note) const;
  [[nodiscard]] Result<std::vector<std::byte>> note_of(std::span<const std::byte> payload) const;
  // While one lives, the role stays what it is.
  class Change {
   public:
    explicit Change(const EntryDriver& driver) noexcept : driver_(driver) {
      driver_.changing_.fetch_add(1, std::memory_order_seq_cst);
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() {
      if (driver_.changing_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        driver_.changing_.notify_all();
      }
    }

   private:
    const EntryDriver& driver_;
  };
  // What has been reserved is replaced by what the files take by now.
  void settle(std::uint64_t reserved) noexcept STRANDLINE_EXCLUDES(account_mutex_);

  Options options_;
  JournalHeader header_;
  std::uint64_t torn_bytes_ = 0;
  ForkEpoch epoch_;
  // Set by open(), constant from then on.
  std::unique_ptr<File> data_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<BlockChecks> checks_;
  std::unique_ptr<SealedData> sealed_;  // null: not encrypted
  Journal::Position position_;
  // Raised whenever the role changes: odd while the writer. Written by whoever opens, promotes and demotes, in turn.
  std::atomic<std::uint32_t> role_epoch_{0};
  // Odd while reads need not ask whether bytes were destroyed by others. Written by the same.
  std::atomic<std::uint32_t> alone_epoch_{0};
  std::atomic<std::uint32_t> drops_followed_{0};  // written by who follows, read by reads
  Mutex account_mutex_;                           // a leaf, held while the files are asked
  std::uint64_t accounted_ STRANDLINE_GUARDED_BY(account_mutex_) = 0;
  // Held while encrypted bytes that the journal has spoken of go, or are sealed anew; before the next two.
  Mutex sealing_mutex_;
  Mutex barrier_mutex_;  // held while the data is synced; the journal's is taken under it
  Mutex checks_mutex_;   // held from making checksums to journalling them; likewise
  // Held from journalling a note to keeping it, so that the last one is the same here and there; likewise.
  mutable Mutex note_mutex_;
  std::vector<std::byte> note_ STRANDLINE_GUARDED_BY(note_mutex_);  // of the version that is open
  // Raised by writes, set by commit().
  std::atomic<std::uint64_t> reach_{0};
  // Set by whoever sees an fsync of the data fail, read by every call; and by retire(), read by whatever changes
  // something.
  std::atomic<bool> doomed_{false};
  std::atomic<bool> retired_{false};
  mutable std::atomic<std::uint32_t> changing_{0};  // Changes that live; raised before the role is looked at
  std::atomic<std::uint64_t> unsynced_{0};          // raised by writes, taken back by barriers
  std::atomic<Evicting> evicting_{Evicting::nothing};
  std::atomic<bool> applying_{false};  // set by who follows, read by the calls that it makes
};

}  // namespace strandline::store
