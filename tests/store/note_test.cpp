// Notes: what a journal says of them, and what is left of them by crashes and full disks.
#include <strandline/store/journal/snapshot.h>
#include <tests/store/entry_fixture.h>

#include <algorithm>
#include <random>
#include <set>
#include <string_view>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

JournalEncoder begun_journal() {
  JournalEncoder out;
  out.header({});
  return out;
}

std::vector<std::byte> note_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("notes: the last one counts, whatever is believed; too long is skipped, empty is none") {
  JournalEncoder out = begun_journal();
  const auto note = [&](Trust trust) { return required(replay(out.bytes(), trust)).note; };
  CHECK(note(Trust::everything).empty());
  out.record(RecordType::note, note_bytes("one"));
  out.record(RecordType::range, {0, 10});
  out.record(RecordType::note, note_bytes("two"));
  out.record(RecordType::note, std::vector<std::byte>(kMaxNotePayload + 1));
  out.record(RecordType::range, {10, 20});
  for (const Trust trust : {Trust::everything, Trust::barriers}) {
    CHECK(note(trust) == note_bytes("two"));
  }
  CHECK(to_string(required(replay(out.bytes(), Trust::everything)).available) == "{[0, 20)}");
  const auto all = required(replay(out.bytes(), Trust::everything));
  CHECK(required(replay(encode_snapshot(all.header, all, all.available).bytes(), Trust::everything)).note ==
        note_bytes("two"));
  const std::vector<std::byte> longest(kMaxNotePayload, std::byte{7});
  out.record(RecordType::note, longest);
  CHECK(note(Trust::everything) == longest);
  out.record(RecordType::note, std::span<const std::byte>());
  CHECK(note(Trust::everything).empty());
}

TEST_CASE("notes: of a torn tail none counts, nor in another journal") {
  JournalEncoder out = begun_journal();
  out.record(RecordType::note, note_bytes("one"));
  out.record(RecordType::note, note_bytes("two"));
  auto bytes = out.bytes();
  bytes.back() ^= std::byte{1};
  CHECK(required(replay(bytes, Trust::everything)).note == note_bytes("one"));
  for (std::size_t size = begun_journal().bytes().size(); size < bytes.size(); ++size) {
    const auto found = required(replay(std::span(bytes).first(size), Trust::everything));
    CHECK((found.note.empty() || found.note == note_bytes("one")));
  }
}

TEST_CASE("F31: a note that was synced, or a later one, is there after a power cut, and nothing else of it") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  const auto note = [&](std::size_t size) {
    std::uint64_t reserved = 0;
    return says(entry.driver->set_note(content({0, size}), reserved));
  };
  CHECK(entry.write({0, 5000}) == "5000");
  CHECK(says(entry.driver->sync()) == "ok");
  CHECK(entry.driver->unsynced() == 0);
  CHECK(note(100) == "ok");
  CHECK(entry.driver->unsynced() > 0);  // so that whoever syncs what was written syncs this
  CHECK(says(entry.driver->sync()) == "ok");
  CHECK(note(3000) == "ok");
  CHECK(note(0) == "ok");
  CHECK(note(7) == "ok");
  const auto died = entry.files;
  entry.driver.reset();
  const std::set<std::size_t> notes{0, 7, 100, 3000};
  std::set<std::size_t> found;
  std::mt19937_64 random(1);
  for (int cut = 0; cut < 100; ++cut) {
    entry.options.files = entry.files = died->clone();
    entry.files->lose_power(random);
    REQUIRE(entry.open() == "{[0, 5000)}");
    const auto left = required(entry.driver->note());
    CHECK(left == content({0, left.size()}));
    found.insert(left.size());
    entry.driver.reset();
  }
  CHECK(std::includes(notes.begin(), notes.end(), found.begin(), found.end()));
  CHECK(found.size() > 1);
}

TEST_CASE("F20: a note that does not fit on the disk leaves the one before it, and the entry goes on") {
  EntryFixture entry;
  CHECK(entry.open() == "{}");
  std::uint64_t reserved = 0;
  CHECK(entry.driver->set_note(content({0, 10}), reserved));
  entry.fail_at("write", "entry.journal", Errc::no_space);
  CHECK(says(entry.driver->set_note(content({0, 20}), reserved)) == "!no_space");
  CHECK(required(entry.driver->note()).size() == 10);
  entry.files->fault = {};
  CHECK(entry.write({0, 100}) == "100");
  CHECK(entry.reopen() == "{[0, 100)}");
  CHECK(required(entry.driver->note()) == content({0, 10}));
}
