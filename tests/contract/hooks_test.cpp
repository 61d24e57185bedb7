// The other optional hooks: view, window, sync, discard.
#include <tests/contract/subjects.h>

namespace strandline::contract {

TEST_CASE_TEMPLATE_DEFINE("driver view: available bytes, wherever they begin and end", S, shows_bytes) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  REQUIRE(write(*driver, {0, kRoom}) == "ok");
  const std::vector<ByteRange> ranges = {{0, 1},           {0, kRoom},         {4095, 4097}, {65'535, 65'537},
                                         {60'000, 70'000}, {kRoom - 1, kRoom}, {1, 131'073}};
  const auto check = [&] {
    for (const ByteRange range : ranges) {
      const auto view = std::as_const(*driver).view(range);
      REQUIRE(says(view) == "ok");
      CHECK(shows(*view, range) == "ok");
    }
  };
  check();
  REQUIRE(says(driver->commit(kRoom)) == "ok");
  check();
  REQUIRE(says(driver->reactivate()) == "ok");
  check();
}
STRANDLINE_CONTRACT(shows_bytes, Views);

TEST_CASE_TEMPLATE_DEFINE("F27: driver view: its bytes stay through commit, reactivate and the driver's end", S,
                          views_stay) {
  S subject;
  std::vector<std::pair<ByteRange, DriverView>> views;
  auto driver = opened<typename S::DriverType>(subject.options());
  const auto look = [&](ByteRange range) {
    auto view = driver->view(range);
    REQUIRE(says(view) == "ok");
    views.emplace_back(range, std::move(*view));
  };
  const auto check = [&](const char* after) {
    for (const auto& [range, view] : views) {
      CHECK_MESSAGE(shows(view, range) == "ok", after);
    }
  };
  REQUIRE(write(*driver, {5'000, 15'000}) == "ok");
  look({5'000, 15'000});
  REQUIRE(write(*driver, {15'000, 100'000}) == "ok");
  look({90'000, 100'000});
  REQUIRE(write(*driver, {0, 5'000}) == "ok");
  look({0, 100'000});
  check("being written");
  REQUIRE(says(driver->commit(100'000)) == "ok");
  check("a commit");
  REQUIRE(says(driver->reactivate()) == "ok");
  REQUIRE(write(*driver, {100'000, kRoom}) == "ok");
  check("writing on");
  // By more than the driver set aside at first: it may have to move what it holds.
  if constexpr (!Windowed<S>::value) {
    REQUIRE(write(*driver, {4'000'000, 4'000'100}) == "ok");
    check("growing");
  }
  driver.reset();
  check("the driver's end");
}
STRANDLINE_CONTRACT(views_stay, Views);

TEST_CASE_TEMPLATE_DEFINE("F27: driver view: keeps bytes that a commit drops, and that are then written anew", S,
                          views_keep) {
  // A window may reuse what lies outside of it, so this holds for the others only.
  S subject;
  auto driver = opened<typename S::DriverType>(subject.options());
  REQUIRE(write(*driver, {0, kRoom}) == "ok");
  const ByteRange all{0, kRoom};
  const ByteRange tail{50'100, 51'000};
  auto view = driver->view(all);
  auto tail_view = driver->view(tail);
  REQUIRE(says(view) == "ok");
  REQUIRE(says(tail_view) == "ok");
  REQUIRE(says(driver->commit(50'001)) == "ok");
  CHECK(shows(*view, all) == "ok");
  CHECK(shows(*tail_view, tail) == "ok");
  REQUIRE(says(driver->reactivate()) == "ok");
  REQUIRE(write(*driver, {50'001, kRoom}, 2) == "ok");
  CHECK(read(*driver, {50'001, kRoom}, 2) == "ok");
  CHECK(read(*driver, {0, 50'001}) == "ok");
  CHECK(shows(*view, all) == "ok");
  CHECK(shows(*tail_view, tail) == "ok");
  const auto fresh = driver->view(tail);
  REQUIRE(says(fresh) == "ok");
  CHECK(shows(*fresh, tail, 2) == "ok");
  driver.reset();
  CHECK(shows(*view, all) == "ok");
  CHECK(shows(*fresh, tail, 2) == "ok");
}
STRANDLINE_CONTRACT(views_keep, Views, NotWindowed);

TEST_CASE_TEMPLATE_DEFINE("F27: driver view: its bytes stay through a rewrite", S, views_outlive_rewrite) {
  S subject;
  auto old = committed(subject, 100'000);
  auto view = old->view({0, 100'000});
  REQUIRE(says(view) == "ok");
  auto next = old->rewrite();
  REQUIRE(says(next) == "ok");
  REQUIRE(write(**next, {0, kRoom}, 2) == "ok");
  auto next_view = (*next)->view({0, kRoom});
  REQUIRE(says(next_view) == "ok");
  REQUIRE(says((*next)->commit(kRoom)) == "ok");
  old.reset();
  CHECK(shows(*view, {0, 100'000}) == "ok");
  next->reset();
  CHECK(shows(*view, {0, 100'000}) == "ok");
  CHECK(shows(*next_view, {0, kRoom}, 2) == "ok");
}
STRANDLINE_CONTRACT(views_outlive_rewrite, Views, Rewrites);

TEST_CASE_TEMPLATE_DEFINE("driver evict: other bytes may come where some were given up, those beside them stay", S,
                          gives_up) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  REQUIRE(write(*driver, {0, kRoom}) == "ok");
  for (const ByteRange gone : {ByteRange{1, 2}, {4'095, 4'097}, {60'000, 70'000}, {65'536, 131'072}}) {
    REQUIRE(says(driver->evict(gone)) == "ok");
    CHECK(read(*driver, {0, gone.begin}) == "ok");
    CHECK(read(*driver, {gone.end, kRoom}) == "ok");
    REQUIRE(write(*driver, gone, 2) == "ok");
    CHECK(read(*driver, gone, 2) == "ok");
    REQUIRE(says(driver->evict(gone)) == "ok");
    REQUIRE(write(*driver, gone) == "ok");
  }
  REQUIRE(says(driver->commit(kRoom)) == "ok");
  REQUIRE(says(driver->evict({50'000, 70'000})) == "ok");
  REQUIRE(write(*driver, {50'000, 70'000}) == "ok");
  REQUIRE(says(driver->commit(kRoom)) == "ok");
  CHECK(read(*driver, {0, kRoom}) == "ok");
}
STRANDLINE_CONTRACT(gives_up, Evicts);

TEST_CASE_TEMPLATE_DEFINE("R12: driver valid_window: the last bytes, as many as it is wide; pure", S,
                          window_arithmetic) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  const std::uint64_t capacity = driver->valid_window(kMaxOffset).size();
  REQUIRE(capacity >= kRoom);
  const auto check = [&] {
    for (const std::uint64_t end : {std::uint64_t{0}, std::uint64_t{1}, capacity - 1, capacity, capacity + 1,
                                    2 * capacity, std::uint64_t{1} << 32, kMaxOffset}) {
      CHECK(driver->valid_window(end) == ByteRange{end > capacity ? end - capacity : 0, end});
    }
  };
  check();
  const Overflow overflow = driver->overflow();
  REQUIRE(write(*driver, {0, 100}) == "ok");
  check();
  CHECK(driver->overflow() == overflow);
}
STRANDLINE_CONTRACT(window_arithmetic, Windowed);

TEST_CASE_TEMPLATE_DEFINE("R12: driver window: all of it reads back, wherever it stands", S, window_moves) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  const std::uint64_t capacity = driver->valid_window(kMaxOffset).size();
  std::uint64_t end = 0;
  const auto check = [&](ByteRange window) {
    CAPTURE(end);
    CHECK(read(*driver, window) == "ok");
    if constexpr (Views<S>::value) {
      const auto view = driver->view(window);
      REQUIRE(says(view) == "ok");
      CHECK(shows(*view, window) == "ok");
    }
  };
  for (int lap = 0; lap < 12; ++lap) {
    const std::uint64_t size = capacity / 3 + 4'099 * static_cast<std::uint64_t>(lap);
    REQUIRE(write(*driver, {end, end + size}) == "ok");
    end += size;
    check(driver->valid_window(end));
  }
  // A jump leaves gaps in the window, and the place in it is the same as for bytes that came in order.
  for (const std::uint64_t far : {end + 10 * capacity + 17, std::uint64_t{1} << 32, kMaxOffset}) {
    end = far;
    const ByteRange window{end - capacity, end};
    REQUIRE(write(*driver, {window.end - 7, window.end}) == "ok");
    REQUIRE(write(*driver, {window.begin, window.end - 7}) == "ok");
    check(window);
  }
}
STRANDLINE_CONTRACT(window_moves, Windowed);

TEST_CASE_TEMPLATE_DEFINE("driver sync: while writing, when complete, and after reactivate", S, syncs) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  CHECK(says(driver->sync()) == "ok");
  REQUIRE(write(*driver, {0, kRoom}) == "ok");
  CHECK(says(driver->sync()) == "ok");
  CHECK(read(*driver, {0, kRoom}) == "ok");
  REQUIRE(says(driver->commit(kRoom)) == "ok");
  CHECK(says(driver->sync()) == "ok");
  REQUIRE(says(driver->reactivate()) == "ok");
  CHECK(says(driver->sync()) == "ok");
  CHECK(read(*driver, {0, kRoom}) == "ok");
}
STRANDLINE_CONTRACT(syncs, Syncs);

TEST_CASE_TEMPLATE_DEFINE("driver discard: the bytes around it stay, and those may be written again", S, discards) {
  S subject;
  const auto driver = opened<typename S::DriverType>(subject.options());
  REQUIRE(write(*driver, {0, kRoom}) == "ok");
  std::uint64_t kept = 0;
  for (const ByteRange gone : {ByteRange{0, 1}, ByteRange{1, 1}, ByteRange{5, 4'096}, ByteRange{4'096, 8'191},
                               ByteRange{8'192, 65'536}, ByteRange{65'537, 140'000}, ByteRange{140'001, kRoom}}) {
    CAPTURE(to_string(gone));
    driver->discard(gone);
    CHECK(read(*driver, {kept, gone.begin}) == "ok");
    CHECK(read(*driver, {gone.end, kRoom}) == "ok");
    CHECK(write(*driver, gone, 2) == "ok");
    CHECK(read(*driver, gone, 2) == "ok");
    CHECK(read(*driver, {gone.end, kRoom}) == "ok");
    kept = gone.end;
  }
}
STRANDLINE_CONTRACT(discards, Discards);

}  // namespace strandline::contract
