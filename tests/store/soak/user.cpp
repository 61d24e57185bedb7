// A process that uses the store: what its threads do, and what they hold every answer against.
#include <strandline/store/io/file_system.h>
#include <strandline/store/journal/replay.h>
#include <tests/store/soak/soak.h>

#include <unistd.h>

#include <initializer_list>
#include <random>
#include <thread>

namespace strandline::soak {
namespace {

using Clock = std::chrono::steady_clock;
using store::AcquireOptions;
using store::Lease;
using store::Store;

struct Holding {
  Lease lease;
  Version version;
  std::vector<ByteRange> pins;
  // Read while pinned: they stay, until they are let go of.
  std::vector<ByteRange> proven;
};

class User {
 public:
  User(Store& store, std::uint64_t seed, Page& page, unsigned seat)
      : store_(store), random_(seed), page_(page), seat_(page.seats.at(seat)) {}

  void run() {
    while (!page_.over.load() && page_.complaints.load() == 0) {
      step();
      ++seat_.operations;
    }
  }

 private:
  std::uint64_t upto(std::uint64_t end) { return random_() % end; }
  bool one_in(std::uint64_t n) { return upto(n) == 0; }
  ByteRange some_of(std::uint64_t length) {
    if (length == 0) {
      return {0, 0};
    }
    const std::uint64_t size = 1 + upto(one_in(3) ? 300'000 : one_in(2) ? 9000 : 100);
    std::uint64_t begin = upto(length);
    begin = one_in(3) ? begin / 65536 * 65536 : begin;
    return {begin, std::min(length, begin + size)};
  }

  template <class T>
  bool allowed(const char* call, const Result<T>& result, std::initializer_list<Errc> codes) {
    if (result) {
      return true;
    }
    seat_.no_space += result.error().code == Errc::no_space ? 1 : 0;
    if (std::find(codes.begin(), codes.end(), result.error().code) == codes.end()) {
      page_.complain(std::string(call) + ": " + result.error().message());
    }
    return false;
  }

  void step() {
    if (holdings_.empty() || (holdings_.size() < 3 && one_in(8))) {
      acquire();
      return;
    }
    Holding& holding = holdings_[upto(holdings_.size())];
    const std::uint64_t what = upto(100);
    if (what < 30) {
      read(holding);
    } else if (what < 55) {
      write(holding);
    } else if (what < 66) {
      wait(holding);
    } else if (what < 70) {
      fill(holding);
    } else if (what < 74) {
      seat_.doing = "take_writer";
      static_cast<void>(
          allowed("take_writer", holding.lease.take_writer(), {Errc::changed, Errc::busy, Errc::cancelled}));
    } else if (what < 77) {
      seat_.doing = "end_writing";
      holding.lease.end_writing();
    } else if (what < 81) {
      commit(holding);
    } else if (what < 86) {
      pin(holding);
    } else if (what < 89) {
      evict(holding);
    } else if (what < 95) {
      seat_.doing = "end";
      holdings_.erase(holdings_.begin() + (&holding - holdings_.data()));
    } else {
      ask();
    }
  }

  void acquire() {
    Version version{static_cast<unsigned>(upto(kKeys)), page_.version.load() % kVersions};
    if (one_in(12)) {
      version.number = static_cast<unsigned>(upto(kVersions));
    }
    if (one_in(20)) {
      page_.version = static_cast<std::uint32_t>(1 + upto(kVersions - 1));
    }
    AcquireOptions options;
    options.want_writer = !one_in(4);
    options.pin = one_in(12);
    if (one_in(3) && version.number != 0) {
      options.length = version.length();
    }
    seat_.doing = "acquire";
    const bool peeks = one_in(10);
    auto lease = peeks ? store_.peek(version.name()) : store_.acquire(version.name(), version.validator(), options);
    if (!(peeks && !lease && lease.error().code == Errc::not_found) &&
        !allowed(peeks ? "peek" : "acquire", lease, {Errc::busy, Errc::changed, Errc::no_space})) {
      return;
    }
    if (!lease) {
      return;
    }
    Holding holding{std::move(*lease), {}, {}, {}};
    holding.version = Version::of(holding.lease);
    if (holding.version.key != version.key ||
        (!peeks && version.number != 0 && holding.version.number != version.number)) {
      page_.complain("acquire: asked for " + version.name() + " " + std::to_string(version.number) + ", got another");
    }
    holdings_.push_back(std::move(holding));
  }

  // Every byte is that of the lease's version.
  void compare(const Holding& holding, std::uint64_t begin, std::span<const std::byte> bytes) {
    const auto right = holding.version.bytes({begin, begin + bytes.size()});
    const auto wrong = std::mismatch(bytes.begin(), bytes.end(), right.begin());
    if (wrong.first != bytes.end()) {
      page_.complain("read: wrong byte at " +
                     std::to_string(begin + static_cast<std::uint64_t>(wrong.first - bytes.begin())) + " of " +
                     holding.version.name() + " version " + std::to_string(holding.version.number) + ": is " +
                     std::to_string(std::to_integer<int>(*wrong.first)) + ", read at " + std::to_string(begin));
    }
    seat_.bytes_read += bytes.size();
  }

  // All of the range, or how far it went.
  std::uint64_t read_range(const Holding& holding, ByteRange range, Errc& why) {
    std::vector<std::byte> bytes(range.size());
    for (std::uint64_t at = range.begin; at < range.end;) {
      auto rest = std::span(bytes).first(range.end - at);
      const auto count = holding.lease.resource().read_at(at, rest);
      if (!allowed("read_at", count, {Errc::not_available, Errc::failed, Errc::evicted, Errc::cancelled})) {
        why = count.error().code;
        return at;
      }
      if (*count == 0) {
        why = Errc::not_available;
        return at;  // past the length
      }
      compare(holding, at, rest.first(*count));
      at += *count;
    }
    return range.end;
  }

  void read(Holding& holding) {
    seat_.doing = "read";
    Errc why{};
    if (!holding.proven.empty() && one_in(2)) {
      const ByteRange range = holding.proven[upto(holding.proven.size())];
      if (const std::uint64_t to = read_range(holding, range, why); to != range.end && why != Errc::cancelled) {
        page_.complain("pinned bytes are gone: " + std::to_string(to) + " of " + to_string(range) + " of " +
                       holding.version.name() + " version " + std::to_string(holding.version.number) + ", error " +
                       std::to_string(static_cast<int>(why)) + state_of(holding.lease, range));
      }
      return;
    }
    const ByteRange range = some_of(holding.version.length() + (one_in(4) ? 70'000 : 0));
    static_cast<void>(read_range(holding, range, why));
  }

  // What this process knows of a range, and what the files say.
  static std::string state_of(Lease& lease, ByteRange range) {
    const auto gaps = [&](const RangeSet& set) {
      std::string text;
      const auto all = set.gaps(range);
      for (const ByteRange gap : all ? *all : std::vector<ByteRange>()) {
        text += " " + to_string(gap);
      }
      return text.empty() ? std::string(" nothing") : text;
    };
    const auto here = lease.resource().available();
    std::string text = std::string("; here in state ") +
                       std::to_string(static_cast<int>(lease.resource().status().state)) + ", missing" +
                       (here ? gaps(*here) : " ?") + (lease.entry().is_past() ? ", past" : "") +
                       (lease.writer() != nullptr ? ", writer" : "");
    const std::string data = lease.resource().path().native();
    const auto journal =
        store::system_files()->open(data.substr(0, data.size() - 5) + ".journal", store::OpenFile::to_read);
    const auto bytes = journal ? read_all(**journal) : fail(journal.error().clone());
    const auto found = bytes ? store::replay(*bytes, store::Trust::everything) : fail(bytes.error().clone());
    const auto said = found ? found->available.ranges() : fail(found.error().clone());
    text += said ? "; by the journal, of generation " + std::to_string(found->header.generation) + " of " +
                       std::to_string(lease.generation()) + ", missing" + gaps(*said)
                 : "; the journal: " + said.error().message();
    const auto file = store::system_files()->open(data, store::OpenFile::to_read);
    const auto next = file ? (*file)->next_data(range.begin) : fail(file.error().clone());
    return text + "; data " + (!next ? next.error().message() : *next ? "at " + to_string(**next) : "none");
  }

  std::uint64_t write_range(Holding& holding, ByteRange range) {
    std::vector<std::byte> bytes = holding.version.bytes(range);
    std::uint64_t fresh = 0;
    // What it answers is what is new, not how far it has come: a part is written only when an error stops it.
    const auto count = holding.lease.writer()->write_at(range.begin, bytes);
    if (allowed("write_at", count,
                {Errc::no_space, Errc::committed, Errc::no_writer, Errc::unsupported, Errc::changed, Errc::failed,
                 Errc::invalid_range, Errc::busy})) {
      fresh = *count;
    }
    return fresh;
  }

  void write(Holding& holding) {
    if (holding.lease.writer() == nullptr) {
      return;
    }
    seat_.doing = "write";
    if (one_in(100)) {
      // So many records that the journal is rewritten now and then.
      const std::uint64_t begin = upto(holding.version.length() + 1);
      for (std::uint64_t at = begin; at + 1 < holding.version.length() && at < begin + 6000; at += 2) {
        static_cast<void>(write_range(holding, {at, at + 1}));
      }
      return;
    }
    // Past the end too: the commit cuts it off.
    static_cast<void>(write_range(holding, some_of(holding.version.length() + (one_in(10) ? 70'000 : 0))));
  }

  void fill(Holding& holding) {
    if (holding.lease.writer() == nullptr) {
      return;
    }
    seat_.doing = "fill";
    const std::uint64_t length = holding.version.length();
    const std::uint64_t piece = 1 + upto(400'000);
    for (std::uint64_t at = 0; at < length && !page_.over.load(); at += piece) {
      static_cast<void>(write_range(holding, {at, std::min(length, at + piece)}));
    }
    commit(holding);
    if (one_in(2)) {
      holding.lease.end_writing();
    }
  }

  void commit(Holding& holding) {
    if (holding.lease.writer() == nullptr) {
      return;
    }
    seat_.doing = "commit";
    if (one_in(4)) {
      static_cast<void>(allowed(
          "set_length", holding.lease.writer()->set_length(holding.version.length()),
          {Errc::committed, Errc::no_writer, Errc::unsupported, Errc::failed, Errc::invalid_range, Errc::conflict}));
      return;
    }
    static_cast<void>(allowed("commit", holding.lease.writer()->commit(holding.version.length()),
                              {Errc::incomplete, Errc::committed, Errc::no_writer, Errc::unsupported, Errc::failed}));
  }

  void pin(Holding& holding) {
    seat_.doing = "pin";
    if (!holding.pins.empty() && one_in(2)) {
      holding.proven.clear();
      holding.lease.unpin(holding.pins.back());
      holding.pins.pop_back();
      return;
    }
    const ByteRange range = some_of(holding.version.length());
    if (range.empty() || !allowed("pin", holding.lease.pin(range), {Errc::busy})) {
      return;
    }
    holding.pins.push_back(range);
    Errc why{};
    if (read_range(holding, range, why) == range.end) {
      holding.proven.push_back(range);
    }
  }

  void evict(Holding& holding) {
    seat_.doing = "evict";
    if (one_in(3)) {
      static_cast<void>(allowed("store.evict", store_.evict(upto(kChunk)), {}));
      return;
    }
    const std::uint64_t begin = upto(3) * kChunk;
    const ByteRange range = one_in(2) ? ByteRange{begin, begin + kChunk} : some_of(holding.version.length());
    static_cast<void>(allowed("entry.evict", holding.lease.entry().evict(range),
                              {Errc::busy, Errc::changed, Errc::unsupported, Errc::no_writer, Errc::cancelled}));
  }

  void ask() {
    const Version version{static_cast<unsigned>(upto(kKeys)), 1};
    switch (upto(12)) {
      case 0:
      case 1:
      case 2:
        seat_.doing = "remove";
        static_cast<void>(allowed("remove", store_.remove(version.name()), {Errc::busy, Errc::changed}));
        break;
      case 3:
      case 4:
        seat_.doing = "checkpoint";
        // An entry that was just lost to another version cannot be synced; nor one that a stopped process was opening.
        static_cast<void>(allowed("checkpoint", store_.checkpoint(), {Errc::unsupported, Errc::no_writer, Errc::busy}));
        break;
      case 5: {
        seat_.doing = "verify";
        const auto report = store_.verify(one_in(2));
        if (allowed("verify", report, {}) && report->bad_bytes > 0) {
          page_.complain("verify: " + std::to_string(report->bad_bytes) + " bad bytes");
        }
        break;
      }
      case 6:
        seat_.doing = "list";
        static_cast<void>(allowed("list", store_.list("key"), {}));
        break;
      case 7:
        seat_.doing = "stats";
        static_cast<void>(allowed("stats", store_.stats(), {}));
        break;
      default:
        seat_.doing = "contains";
        static_cast<void>(allowed("contains", store_.contains(version.name(), some_of(version.length())),
                                  {Errc::busy, Errc::changed}));
    }
  }

  void wait(Holding& holding) {
    seat_.doing = "wait";
    const ByteRange range = some_of(holding.version.length());
    for (int again = 0; again < 2; ++again) {
      WaitOptions options;
      options.deadline = Clock::now() + std::chrono::milliseconds(1 + upto(30));
      const auto outcome = holding.lease.resource().wait_range(range, options);
      if (!allowed("wait_range", outcome, {Errc::no_writer, Errc::failed, Errc::evicted, Errc::cancelled})) {
        return;
      }
      if (*outcome != WaitOutcome::timed_out) {
        seat_.waits_met += 1;
        return;
      }
    }
    if (one_in(4) && holding.lease.writer() == nullptr) {
      must_end(holding, range);
    }
  }

  // What is so for two seconds, whenever it is looked at, a follower has heard of: its wait must not go on.
  void must_end(Holding& holding, ByteRange range) {
    seat_.doing = "must_end";
    const std::uint64_t stops = seat_.stops.load();
    std::string reasons;
    for (int look = 0; look < 40; ++look) {
      const std::string reason = reason_to_end(holding.lease, range);
      if (reason.empty() || page_.over.load() || seat_.stops.load() != stops) {
        return;
      }
      if (!reasons.ends_with(reason)) {
        reasons += " " + reason;
      }
      WaitOptions options;
      options.deadline = Clock::now() + std::chrono::milliseconds(50);
      const auto outcome = holding.lease.resource().wait_range(range, options);
      if (!outcome || *outcome != WaitOutcome::timed_out) {
        return;
      }
    }
    if (seat_.stops.load() == stops && !page_.over.load()) {
      page_.complain("a wait hangs though, looked at from outside:" + reasons + "; " + holding.version.name() +
                     " version " + std::to_string(holding.version.number) + " [" + std::to_string(range.begin) + ", " +
                     std::to_string(range.end) + ")");
    }
  }

  // As the files tell it, without the store's help; "" when the wait may go on.
  static std::string reason_to_end(const Lease& lease, ByteRange range) {
    const std::string data = lease.resource().path().native();
    const auto files = store::system_files();
    const auto opened = files->open(data, store::OpenFile::to_read);
    const auto journal = files->open(data.substr(0, data.size() - 5) + ".journal", store::OpenFile::to_read);
    if (!opened || !journal) {
      return "removed";
    }
    const auto role = (*opened)->held_elsewhere(store::File::kWriterRole);
    const auto bytes = read_all(**journal);
    const auto found = bytes ? store::replay(*bytes, store::Trust::everything) : fail(bytes.error().clone());
    if (!role || !found) {
      return "";
    }
    if (found->header.generation != lease.generation()) {
      return "replaced";
    }
    return found->available.covers(range) ? "covered" : !*role ? "nobody writes" : "";
  }

  Store& store_;
  std::mt19937_64 random_;
  Page& page_;
  Page::Seat& seat_;
  std::vector<Holding> holdings_;
};

}  // namespace

void use_store(const std::string& path, std::uint64_t seed, Page& page, unsigned seat) {
  std::mt19937_64 random(seed);
  while (!page.over.load() && page.complaints.load() == 0) {
    page.seats.at(seat).doing = "open";
    store::StoreOptions options;
    options.max_bytes = kCap;
    options.durability = static_cast<store::Durability>(random() % 8 == 0 ? 1 + random() % 2 : 0);
    options.batch_interval = std::chrono::milliseconds(10);
    auto store = Store::open(path, options);
    if (!store) {
      page.complain("open: " + store.error().message());
      return;
    }
    const std::uint64_t threads = 1 + random() % 2;
    std::vector<std::thread> others;
    for (std::uint64_t i = 1; i < threads; ++i) {
      others.emplace_back([&, own = random()] { User(*store, own, page, seat).run(); });
    }
    User(*store, random(), page, seat).run();
    for (std::thread& other : others) {
      other.join();
    }
    page.seats.at(seat).doing = "close";
  }
}

}  // namespace strandline::soak
