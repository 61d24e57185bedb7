// Two processes, as far as they know, on one entry: they write, commit, evict and begin versions, are killed within
// their system calls, and lose power. After every step what they serve is held against what was written: a byte that
// is served is the right one of its version, was written and not evicted since; what was written whole is there.
//
// Input: steps of three bytes: what and who; two of where, or how much.
#include <fuzz/store_process.h>
#include <tests/store/simulated_files.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

using namespace strandline;
using namespace strandline::fuzz;
using namespace strandline::store;
using strandline::testing::MortalFiles;
using strandline::testing::SimulatedFiles;

namespace {

constexpr std::size_t kMaxSteps = 100;

class World {
 public:
  World() {
    for (Process& process : processes_) {
      begin(process);
    }
  }
  ~World() {
    for (Process& process : processes_) {
      leave(process);
    }
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void step(unsigned what, unsigned who, unsigned a, unsigned b) {
    Process& process = processes_.at(who % 2);
    if (what == 0 || (process.entry == nullptr && what != 9)) {
      open(process, b % 4);
    } else {
      act(process, what, a, b);
    }
    for (Process& each : processes_) {
      if (each.files->dead()) {
        bury(each);
      }
    }
  }
  void check_all() {
    for (Process& process : processes_) {
      follow(process);
    }
  }

 private:
  static constexpr const char* kName = "entry";

  void begin(Process& process) {
    process.files = std::make_shared<MortalFiles>(disk_);
    // What a dead process would have told others it does not tell.
    process.files->on_death = [this] {
      auto& slot = live()->slot_of(kName);
      told_ = {slot.changes.count(), slot.drops.load()};
    };
  }
  static void end_writing(Process& process) {
    if (process.writer) {
      process.entry->end_writing(std::move(*process.writer));
    }
    process.writer.reset();
  }
  static void leave(Process& process) {
    end_writing(process);
    process.entry.reset();
    for (const Wait& wait : process.waits) {
      require(!wait.outcome->empty(), "a wait goes on though its entry has ended");
    }
    process.waits.clear();
    process.pins.clear();
  }
  void bury(Process& process) {
    leave(process);
    auto& slot = live()->slot_of(kName);
    std::construct_at(&slot.changes);
    while (slot.changes.count() != told_.first) {
      static_cast<void>(slot.changes.raise());
    }
    slot.drops = told_.second;
    begin(process);
  }

  void open(Process& process, unsigned version) {
    leave(process);
    EntryDriver::Options options;
    options.files = process.files;
    options.name = kName;
    options.key = "key";
    if (version != 0) {
      options.validator = {Validator::Kind::strong, std::string(1, static_cast<char>('0' + version))};
    }
    options.durability = version == 2 ? Durability::every_commit : Durability::process;
    options.signals = Signals(live(), kName);
    auto entry = store::Entry::open(std::move(options), kName, 1);
    const bool other = now_ != nullptr && version != 0 && version != now_->version;
    if (!entry) {
      const bool is_busy = entry.error().code == Errc::busy;
      if (other && !is_busy) {
        now_ = nullptr;  // it has come half way, perhaps
      }
      const bool written = std::any_of(processes_.begin(), processes_.end(), [&](const Process& each) {
        return each.writer && version != 0 && each.content->version != version;
      });
      require(process.files->dead() || (written && is_busy), "open: " + entry.error().message());
      return;
    }
    const auto data = disk_->open(std::string(kName) + ".data", OpenFile::to_read);
    const auto identity = data ? (*data)->identity() : fail(data.error().clone());
    require(identity.has_value(), "an entry without a file");
    auto& content = contents_[identity->inode];
    if (content == nullptr) {
      require(now_ == nullptr || other || now_->must.empty() || doomed_, "what was written is gone with its version");
      content = std::make_shared<Written>();
      const std::string& value = (*entry)->validator().value;
      content->version = value.empty() ? 0 : static_cast<unsigned>(value.front() - '0');
      require(version == 0 || content->version == version, "another version than was asked for");
      doomed_ = false;
    }
    require(version == 0 || content->version == version, "an old version for a new one");
    now_ = content;
    process.content = content;
    process.entry = std::move(*entry);
    follow(process);
  }

  void act(Process& process, unsigned what, unsigned a, unsigned b) {
    const ByteRange range = range_of(a, b);
    switch (what) {
      case 1:
        leave(process);
        break;
      case 2:
        take_writer(process);
        break;
      case 3:
        end_writing(process);
        break;
      case 4:
        write(process, range);
        break;
      case 5:
        if (process.writer) {
          static_cast<void>(process.writer->set_length(length_of(process.content->version)));
        }
        break;
      case 6:
        commit(process, a % 4 == 0 ? range.end : length_of(process.content->version));
        break;
      case 7:
        evict(process, range);
        break;
      case 8:
        pin(process, range, b % 2 == 0);
        break;
      case 9:
        lose_power(a, b);
        break;
      case 10:
        note(process, b % 200);
        break;
      case 11:
        read(process, range);
        break;
      case 12:
        process.files->die_within(1 + b % 12);
        break;
      case 13:
        process.files->die();
        break;
      case 14:
        wait(process, range);
        break;
      case 15:
        sync(process, b % 16 == 1);
        break;
      default:
        follow(process);
    }
  }

  static ByteRange range_of(unsigned a, unsigned b) {
    constexpr std::array<std::uint64_t, 8> kSizes{1, 100, 4096, 5000, 16384, 65536, 70000, kReach};
    const std::uint64_t begin = a * 1024 + (b >> 3) * 64;
    return {begin, std::min(kReach, begin + kSizes.at(b % 8))};
  }
  static void take_writer(Process& process) {
    if (process.writer) {
      return;
    }
    auto writer = process.entry->take_writer();
    if (writer) {
      process.writer = std::move(*writer);
    } else {
      require(writer.error().code == Errc::changed || process.files->dead(),
              "take_writer: " + writer.error().message());
    }
  }

  void write(Process& process, ByteRange range) {
    if (!process.writer) {
      return;
    }
    const auto bytes = std::span(bytes_of(process.content->version)).subspan(range.begin, range.size());
    require(process.content->may.insert(range).has_value(), "memory");
    const auto count = process.writer->write_at(range.begin, bytes);
    require(count || count.error().code != Errc::conflict, "a write of the same bytes is a conflict");
    if (count) {
      require(process.content->must.insert(range).has_value(), "memory");
    }
  }

  void commit(Process& process, std::uint64_t length) {
    if (!process.writer) {
      return;
    }
    const auto done = process.writer->commit(length);
    if (done || process.files->dead()) {
      process.content->lose({length, kMaxOffset}, done.has_value());
    }
    if (done && process.entry->validator().value == "2") {
      keep(*process.content);  // every commit of this one is durable
    }
  }

  void evict(Process& process, ByteRange range) {
    const bool pinned = std::any_of(processes_.begin(), processes_.end(), [&](const Process& each) {
      return each.content == process.content &&
             std::any_of(each.pins.begin(), each.pins.end(), [&](ByteRange pin) { return pin.intersects(range); });
    });
    const auto gone = process.entry->evict(range);
    require(!gone || *gone == 0 || !pinned, "what is pinned is evicted");
    if (gone || process.files->dead()) {
      process.content->lose(range, gone.has_value());
    }
  }

  static void pin(Process& process, ByteRange range, bool more) {
    if (more && !range.empty()) {
      if (process.entry->pin(range)) {
        process.pins.push_back(range);
      }
    } else if (!process.pins.empty()) {
      process.entry->unpin(process.pins.back());
      process.pins.pop_back();
    }
  }

  void sync(Process& process, bool fails) {
    if (!process.writer) {
      return;
    }
    process.files->fails_next_sync = fails;
    const auto done = process.entry->sync();
    process.files->fails_next_sync = false;
    if (done) {
      keep(*process.content);
    } else if (fails) {
      doomed_ = true;
      process.content->lose({0, kMaxOffset}, false);
      leave(process);  // who keeps it keeps others from beginning it anew
    }
  }
  static void note(Process& process, unsigned number) {
    Written& content = *process.content;
    content.notes.insert(number);
    content.notes_after_power.insert(number);
    const auto done = process.entry->set_note(note_of(number));
    require(done || process.files->dead() || done.error().code == Errc::busy || done.error().code == Errc::changed,
            "set_note: " + (done ? "" : done.error().message()));
    if (done) {
      content.notes = {number};
    }
  }
  static void keep(Written& content) {
    auto copy = content.must.clone();
    require(copy.has_value(), "memory");
    content.durable = std::move(*copy);
    content.notes_after_power = content.notes;
  }

  void lose_power(unsigned a, unsigned b) {
    for (Process& process : processes_) {
      process.files->die();
      leave(process);
      begin(process);
    }
    std::mt19937_64 random(a * 256 + b);
    disk_->lose_power(random);
    for (auto& [inode, content] : contents_) {
      auto copy = content->durable.clone();
      require(copy.has_value(), "memory");
      content->must = std::move(*copy);
      content->notes = content->notes_after_power;
    }
  }

  // Whatever the process has heard of so far: the right bytes, or none.
  static void read(const Process& process, ByteRange range) {
    std::vector<std::byte> bytes(range.size());
    const auto count = process.entry->resource().read_at(range.begin, bytes);
    bytes.resize(count.value_or(0));
    const auto right = bytes_of(process.content->version).begin() + static_cast<std::ptrdiff_t>(range.begin);
    const auto wrong = std::mismatch(bytes.begin(), bytes.end(), right).first;
    require(wrong == bytes.end(),
            "wrong byte at " + std::to_string(range.begin) + " + " + std::to_string(wrong - bytes.begin()));
  }

  static void wait(Process& process, ByteRange range) {
    Wait wait{range, std::make_shared<std::string>()};
    process.entry->resource().async_wait(range, {}, [told = wait.outcome](const Result<WaitOutcome>& outcome) {
      require(told->empty(), "a wait that ends twice");
      *told = outcome ? "ended" : "error";
    });
    process.waits.push_back(std::move(wait));
  }

  // Up to date, it has what it must, and no more than it may.
  void follow(Process& process) {
    if (process.entry == nullptr || process.files->dead()) {
      return;
    }
    const auto followed = process.entry->follow();
    if (process.files->dead()) {
      return;
    }
    require(followed.has_value(), "follow: " + (followed ? "" : followed.error().message()));
    const auto available = process.entry->resource().available();
    require(available.has_value(), "available");
    for (const ByteRange run : *available) {
      require(process.content->may.covers(run), "there, though never written or evicted: " + to_string(*available) +
                                                    ", written " + to_string(process.content->may));
      for (std::uint64_t at = run.begin; !process.entry->is_past() && at < run.end; at += 65536) {
        read(process, {at, std::min(run.end, at + 65536)});
      }
    }
    if (!process.entry->is_past()) {
      for (const ByteRange run : process.content->must) {
        require(available->covers(run),
                "written, and not there: " + to_string(*available) + ", written " + to_string(process.content->must));
      }
    }
    check_note(process);
    check_waits(process, *available);
  }

  static void check_note(Process& process) {
    const auto note = process.entry->note();
    if (process.files->dead() || process.entry->is_past()) {
      return;
    }
    require(note.has_value(), "no answer to what the note is");
    const auto& notes = process.content->notes;
    require(std::any_of(notes.begin(), notes.end(), [&](unsigned number) { return *note == note_of(number); }),
            "another note than was written");
  }

  void check_waits(Process& process, const RangeSet& available) {
    const bool written = std::any_of(processes_.begin(), processes_.end(), [&](const Process& each) {
      return each.content == process.content && each.writer.has_value();
    });
    for (const Wait& wait : process.waits) {
      const bool may_go_on = written && !available.covers(wait.range) && !process.entry->is_past();
      require(may_go_on || !wait.outcome->empty(), "a wait hangs");
    }
    std::erase_if(process.waits, [](const Wait& wait) { return !wait.outcome->empty(); });
  }

  const std::shared_ptr<SimulatedFiles> disk_ = std::make_shared<SimulatedFiles>();
  std::map<std::uint64_t, std::shared_ptr<Written>> contents_;  // by inode
  std::shared_ptr<Written> now_;                                // what has the name, if that is known
  bool doomed_ = false;
  std::pair<std::uint32_t, std::uint32_t> told_;
  std::array<Process, 2> processes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  for (std::size_t i = 0; i < kMaxSteps && (i + 1) * 3 <= size; ++i) {
    const std::uint8_t* const step = data + i * 3;
    world.step(step[0] / 2 % 16, step[0] % 2, step[1], step[2]);
  }
  world.check_all();
  return 0;
}
