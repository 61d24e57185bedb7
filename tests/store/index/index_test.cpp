// What an index answers: a model beside it, keys of any bytes, pages, ticks, rebuilding, restarts.
#include <tests/store/index/index_scene.h>
#include <tests/support/failing_new.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <set>
#include <thread>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

using Model = std::map<std::string, IndexRow>;

std::vector<IndexRow> sorted(const Model& model, bool by_key, std::string_view prefix = {}) {
  std::vector<IndexRow> rows;
  for (const auto& [name, row] : model) {
    if (!by_key || row.key.starts_with(prefix)) {
      rows.push_back(row);
    }
  }
  std::sort(rows.begin(), rows.end(), [&](const IndexRow& a, const IndexRow& b) {
    if (by_key) {
      return a.key != b.key ? a.key < b.key : a.name < b.name;  // char_traits<char> compares as memcmp(3)
    }
    return a.used != b.used ? a.used < b.used : a.name < b.name;
  });
  return rows;
}

// Few names and keys, so that they meet; keys with NULs, 0xff and what is no UTF-8.
struct Chance {
  std::mt19937_64 random;
  std::uint64_t below(std::uint64_t end) { return std::uniform_int_distribution<std::uint64_t>(0, end - 1)(random); }
  std::string key() {
    static constexpr char kBytes[] = {'\0', 'a', 'b', '\x7f', '\x80', '\xff'};
    std::string key(below(5), '\0');
    for (char& byte : key) {
      byte = kBytes[below(sizeof kBytes)];
    }
    return key;
  }
  IndexRow row() {
    IndexRow row;
    row.name = name_of(below(60));
    row.key = key();
    row.length = below(2) == 0 ? std::optional<std::uint64_t>() : below(1000);
    row.allocated = below(4) == 0 ? 0 : below(100000);
    row.used = below(20);
    row.complete = below(2) == 0;
    row.open = below(3) == 0;
    return row;
  }
};

void check_against(Index& index, const Model& model, Chance& chance) {
  std::uint64_t allocated = 0;
  std::set<std::string> open;
  for (const auto& [name, row] : model) {
    allocated += row.allocated;
    if (row.open) {
      open.insert(name);
    }
  }
  const IndexTotals totals = needed(index.totals());
  CHECK(totals.entries == model.size());
  CHECK(totals.allocated == allocated);
  const auto left = needed(index.left_open());
  CHECK(std::set<std::string>(left.begin(), left.end()) == open);
  CHECK(left.size() == open.size());
  const std::size_t limit = 1 + chance.below(20);
  CHECK(all_oldest(index, limit) == sorted(model, false));
  CHECK(all_listed(index, {}, limit) == sorted(model, true));
  const std::string prefix = chance.key();
  CHECK(all_listed(index, prefix, limit) == sorted(model, true, prefix));
}

}  // namespace

TEST_CASE("an index beside a map, at random, closed and opened in between") {
  Scene scene;
  auto index = scene.open();
  auto another = scene.open();
  Model model;
  Chance chance{std::mt19937_64(7)};
  for (int step = 0; step < 1500; ++step) {
    CAPTURE(step);
    Index& one = chance.below(2) == 0 ? *index : *another;
    const IndexRow row = chance.row();
    const auto there = model.find(row.name);
    switch (chance.below(8)) {
      case 0:
      case 1:
      case 2:
        needed(one.put(row));
        model[row.name] = row;
        break;
      case 3: {
        const std::vector<IndexRow> rows = {row, chance.row()};
        needed(one.update(rows));
        for (const IndexRow& changed : rows) {
          if (const auto found = model.find(changed.name); found != model.end()) {
            const IndexRow old = std::exchange(found->second, changed);
            found->second.key = old.key;
            found->second.used = std::max(old.used, changed.used);
          }
        }
        break;
      }
      case 4: {
        const std::vector<std::pair<std::string, std::uint64_t>> used = {{row.name, row.used}};
        needed(one.touch(used));
        if (there != model.end()) {
          there->second.used = std::max(there->second.used, row.used);
        }
        break;
      }
      case 5:
        needed(one.remove(row.name));
        model.erase(row.name);
        break;
      case 6: {
        const auto found = needed(one.find(row.name));
        CHECK(found.has_value() == (there != model.end()));
        CHECK((!found || *found == there->second));
        break;
      }
      default:
        if (chance.below(10) == 0) {
          another.reset();
          index.reset();
          index = scene.open();
          another = scene.open();
        }
        break;
    }
    if (step % 50 == 0) {
      check_against(step % 100 == 0 ? *index : *another, model, chance);
    }
  }
  check_against(*index, model, chance);
  index.reset();
  another.reset();
  CHECK(integrity(scene.path) == "ok");
  CHECK(scene.folder.names() == "index-1.sqlite index-1.sqlite.lock");
}

TEST_CASE("F44: keys of any bytes, and prefixes that no larger one bounds") {
  Scene scene;
  auto index = scene.open();
  const std::vector<std::string> keys = {
      "",
      std::string(1, '\0'),
      std::string("\0a", 2),
      "a",
      std::string("a\0b", 3),
      "a\x7f",
      "a\x80",
      "a\xff",
      "a\xff\xff",
      "a\xff\xff"
      "b",
      "b",
      "\xc3\xa9",
      "e\xcc\x81",
      "\xff",
      "\xff\xff",
      std::string(65536, 'k'),
      std::string(65535, 'k') + "\xff",
      std::string(65536, '\xff'),
  };
  for (std::size_t i = 0; i < keys.size(); ++i) {
    IndexRow row = row_of(i);
    row.key = keys[i];
    needed(index->put(row));
    CHECK(needed(index->find(row.name)) == row);
  }
  auto in_order = keys;
  std::sort(in_order.begin(), in_order.end());
  for (const std::string& prefix : keys) {
    std::vector<std::string> wanted;
    std::copy_if(in_order.begin(), in_order.end(), std::back_inserter(wanted),
                 [&](const std::string& key) { return key.starts_with(prefix); });
    for (const std::size_t limit : {1U, 2U, 100U}) {
      std::vector<std::string> found;
      for (const IndexRow& row : all_listed(*index, prefix, limit)) {
        found.push_back(row.key);
      }
      CHECK(found == wanted);
    }
  }
  CHECK(needed(index->list("a", nullptr, 0)).empty());
  const IndexRow before = row_of(99);  // its key comes before the prefix, or behind all with it
  CHECK(needed(index->list("k", &before, 100)).size() == 2);
  CHECK(needed(index->list("a", &before, 100)).empty());
  const IndexRow first;
  CHECK(needed(index->list("b", &first, 100)).size() == 1);
}

TEST_CASE("rows of one key, and rows used at the same time, are all in the pages") {
  Scene scene;
  auto index = scene.open();
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < 50; ++i) {
    IndexRow row = row_of(i);
    row.key = "same";
    row.used = 7;
    needed(index->put(row));
    names.insert(row.name);
  }
  for (const auto& rows : {all_listed(*index, "sam", 3), all_oldest(*index, 3)}) {
    std::set<std::string> found;
    for (const IndexRow& row : rows) {
      found.insert(row.name);
    }
    CHECK(rows.size() == 50);
    CHECK(found == names);
  }
}

TEST_CASE("what is no row is refused and changes nothing") {
  Scene scene;
  auto index = scene.open();
  const auto refused = [&](const auto& change) {
    IndexRow row = row_of(1);
    change(row);
    const bool put = code_of(index->put(row)) == Errc::invalid_argument;
    return put && needed(index->totals()).entries == 0;
  };
  constexpr std::uint64_t kTooMuch = std::uint64_t{1} << 63;
  CHECK(refused([&](IndexRow& row) { row.name = ""; }));
  CHECK(refused([&](IndexRow& row) { row.name = std::string("a\0b", 3); }));
  CHECK(refused([&](IndexRow& row) { row.name = std::string(256, 'a'); }));
  CHECK(refused([&](IndexRow& row) { row.key = std::string(65537, 'a'); }));
  CHECK(refused([&](IndexRow& row) { row.length = kTooMuch; }));
  CHECK(refused([&](IndexRow& row) { row.allocated = kTooMuch; }));
  CHECK(refused([&](IndexRow& row) { row.used = Index::kMaxTick + 1; }));
  // A batch is refused whole, and so is one that fails in the middle: a sum that does not fit.
  needed(index->put(row_of(1)));
  needed(index->put(row_of(2)));
  std::vector<IndexRow> rows = {row_of(1), row_of(2)};
  rows[0].allocated = 5;
  rows[1].name = "";
  CHECK(code_of(index->update(rows)) == Errc::invalid_argument);
  rows[1] = row_of(2);
  rows[1].allocated = kTooMuch - 1;
  CHECK(code_of(index->update(rows)) == Errc::too_large);
  const std::vector<std::pair<std::string, std::uint64_t>> used = {{row_of(1).name, 9}, {"", 9}};
  CHECK(code_of(index->touch(used)) == Errc::invalid_argument);
  const IndexRow strange = [] {
    IndexRow row = row_of(1);
    row.used = std::numeric_limits<std::uint64_t>::max();
    return row;
  }();
  CHECK(code_of(index->oldest(&strange, 1)) == Errc::invalid_argument);
  CHECK(needed(index->find(row_of(1).name)) == row_of(1));
  CHECK(adds_up(*index));
}

TEST_CASE("F41: ticks only go up, across processes, closings and rows with later ones") {
  Scene scene;
  auto index = scene.open();
  auto another = scene.open();
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t first = needed((i % 2 == 0 ? index : another)->reserve_ticks(10));
    CHECK(first > last);
    last = first + 9;
  }
  index.reset();
  another.reset();
  index = scene.open();
  CHECK(needed(index->reserve_ticks(1)) > last);
  IndexRow row = row_of(1);
  row.used = 1'000'000;
  needed(index->put(row));
  CHECK(needed(index->reserve_ticks(1)) > 1'000'000);
  needed(index->remove(row.name));
  CHECK(needed(index->reserve_ticks(1)) > 1'000'000);
  CHECK(code_of(index->reserve_ticks(0)) == Errc::invalid_argument);
  CHECK(code_of(index->reserve_ticks(Index::kMaxTick)) == Errc::too_large);
  CHECK(code_of(index->reserve_ticks(std::numeric_limits<std::uint64_t>::max())) == Errc::invalid_argument);
  CHECK(needed(index->reserve_ticks(1)) < 1'000'100);
}

TEST_CASE("a row is removed unless its entry is there, which nobody can change meanwhile") {
  Scene scene;
  auto index = scene.open();
  auto another = needed(scene.try_open(1, std::chrono::milliseconds(0)));
  const IndexRow row = row_of(1);
  needed(index->put(row));
  needed(index->remove_unless(row.name, [&] {
    CHECK(code_of(another->put(row_of(2))) == Errc::busy);
    return true;
  }));
  CHECK(needed(another->find(row.name)) == row);
  needed(index->remove_unless(row.name, [] { return false; }));
  CHECK_FALSE(needed(another->find(row.name)));
  needed(index->remove_unless(row.name, [] { return false; }));
  CHECK(needed(index->totals()).entries == 0);
}

TEST_CASE("a rebuild adds, corrects and sweeps, and leaves what is newer") {
  Scene scene;
  auto index = scene.open();
  auto another = scene.open();
  CHECK_FALSE(needed(index->totals()).whole);
  for (std::uint64_t i = 0; i < 25000; i += 2500) {
    needed(index->put(row_of(i)));  // of entries that are gone
  }
  IndexRow stale = row_of(30001);
  stale.allocated = 1;
  stale.used = 40000;
  needed(index->put(stale));
  {
    auto rebuild = needed(index->rebuild());
    CHECK(code_of(index->rebuild()) == Errc::busy);
    CHECK(code_of(another->rebuild()) == Errc::busy);
    // Meanwhile: one is changed, one is new, one is removed.
    IndexRow newer = row_of(30002);
    newer.allocated = 77;
    needed(another->put(newer));
    std::vector<IndexRow> found;
    for (std::uint64_t i = 30000; i < 50000; ++i) {
      found.push_back(row_of(i));
    }
    needed(rebuild->add(std::span(found).first(10000)));
    needed(another->put(row_of(60000)));
    needed(another->remove(row_of(30003).name));
    needed(rebuild->add(std::span(found).subspan(10000)));
    std::vector<IndexRow> wrong = {row_of(1)};
    wrong[0].name = "";
    CHECK(code_of(rebuild->add(wrong)) == Errc::invalid_argument);
    CHECK_FALSE(needed(another->totals()).whole);
    needed(rebuild->finish());
    CHECK(needed(another->totals()).whole);
    CHECK(needed(index->find(newer.name)) == newer);
  }
  stale = row_of(30001);
  stale.used = 40000;
  CHECK(needed(index->find(stale.name)) == stale);
  CHECK(needed(index->find(row_of(60000).name)) == row_of(60000));
  CHECK(needed(index->totals()).entries == 20000);
  CHECK(adds_up(*index));
  // Another, which is broken off, harms nothing.
  { auto rebuild = needed(another->rebuild()); }
  CHECK(needed(index->totals()).whole);
  CHECK(needed(index->rebuild()) != nullptr);
  index.reset();
  another.reset();
  index = scene.open();
  CHECK(needed(index->totals()).whole);
  CHECK(needed(index->totals()).entries == 20000);
  CHECK(integrity(scene.path) == "ok");
}

TEST_CASE("F31: a restart of the system shows, unless all had closed before it") {
  Scene scene;
  auto index = scene.open(1);
  auto another = scene.open(1);
  needed(index->put(row_of(1)));
  CHECK_FALSE(needed(index->totals()).restarted);
  index.reset();
  another.reset();
  index = scene.open(2);
  CHECK_FALSE(needed(index->totals()).restarted);
  CHECK(in_child([&] { return 0; }) == 0);  // nobody's death but the system's counts
  index.reset();
  CHECK(in_child([&] {
          auto left = scene.try_open(3);
          CHILD_CHECK(left && (*left)->put(row_of(2)));
          static_cast<void>(left->release());  // dies having it open
          return 0;
        }) == 0);
  index = scene.open(3);
  CHECK_FALSE(needed(index->totals()).restarted);
  index.reset();
  CHECK(in_child([&] {
          auto left = scene.try_open(3);
          static_cast<void>(left->release());
          return 0;
        }) == 0);
  index = scene.open(4);
  CHECK(needed(index->totals()).restarted);
  index.reset();
  index = scene.open(5);
  CHECK(needed(index->totals()).restarted);  // still
  SUBCASE("until all is put right") {
    needed(index->reconciled());
  }
  SUBCASE("or rebuilt") {
    needed(needed(index->rebuild())->finish());
  }
  CHECK_FALSE(needed(index->totals()).restarted);
  index.reset();
  CHECK_FALSE(needed(scene.open(5)->totals()).restarted);
}

TEST_CASE("R13: any allocation that fails is an error, and the index goes on") {
  Scene scene;
  const std::vector<IndexRow> rows = {row_of(1), row_of(2)};
  const auto good = [](const auto& result) { return result || result.error().code == Errc::no_memory; };
  const std::uint64_t tried = for_each_failing_allocation([&](std::uint64_t k) {
    CAPTURE(k);
    bool answers = true;
    bool fired = false;
    Index::Options options{scene.path, boot(1)};
    {
      const FailAllocation failing(k);
      auto index = Index::open(std::move(options));
      answers = good(index);
      if (index) {
        Index& one = **index;
        answers = good(one.put(rows[0])) && good(one.update(rows)) && good(one.list("h", nullptr, 9)) && answers;
        answers = good(one.oldest(nullptr, 9)) && good(one.left_open()) && good(one.totals()) && answers;
        answers = good(one.find(rows[0].name)) && good(one.reserve_ticks(1)) && good(one.recreate()) && answers;
        if (auto rebuild = one.rebuild(); good(rebuild) && rebuild) {
          answers = good((*rebuild)->add(rows)) && good((*rebuild)->finish()) && answers;
        }
      }
      fired = failing.fired();
    }
    CHECK(answers);
    CHECK(adds_up(*scene.open()));
    return fired;
  });
  CHECK(tried > 30);
  CHECK(needed(scene.open()->totals()).entries == 2);
}

TEST_CASE("threads share an index") {
  Scene scene;
  const auto index = scene.open();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::uint64_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < 50; ++i) {
        const IndexRow row = row_of(thread * 1000 + i);
        wrong += !index->put(row) || !index->find(row.name) || !index->oldest(nullptr, 5) || !index->totals() ||
                 (i % 3 == 0 && !index->remove(row.name));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(wrong == 0);
  CHECK(needed(index->totals()).entries == 4 * 33);
  CHECK(adds_up(*index));
}
