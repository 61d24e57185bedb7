// ChecksumMap against a std::map.
#include <strandline/store/checksums/checksum_map.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <vector>

using namespace strandline::store;

namespace {

using ChecksumModel = std::map<std::uint64_t, std::uint32_t>;

void compare(const ChecksumMap& map, const ChecksumModel& model, std::uint64_t limit) {
  REQUIRE(map.size() == model.size());
  ChecksumModel visited;
  map.visit([&](std::uint64_t block, std::uint32_t checksum) { visited.emplace_hint(visited.end(), block, checksum); });
  REQUIRE(visited == model);
  for (std::uint64_t block = 0; block <= limit; ++block) {
    const auto it = model.lower_bound(block);
    std::uint64_t without = block;
    while (model.contains(without)) {
      ++without;
    }
    const bool has = it != model.end() && it->first == block;
    const bool same = map.find(block) == (has ? std::optional(it->second) : std::nullopt) &&
                      map.next(block) == (it != model.end() ? std::optional(it->first) : std::nullopt) &&
                      map.next_without(block, limit) == std::min(without, limit) &&
                      map.next_without(block, block) == block;
    if (!same) {
      FAIL("differs at " << block);
    }
  }
}

}  // namespace

TEST_CASE("checksum map: says what a map says (random programs)") {
  std::mt19937_64 random(20261121);
  constexpr std::uint64_t kLimit = 200;
  for (int round = 0; round < 100; ++round) {
    ChecksumMap map;
    ChecksumModel model;
    for (int step = 0; step < 20; ++step) {
      const std::uint64_t first = random() % kLimit;
      const std::uint64_t last = std::min(kLimit, first + random() % (random() % 2 == 0 ? 4 : kLimit));
      if (random() % 3 == 0) {
        map.erase(first, last);
        model.erase(model.lower_bound(first), model.lower_bound(last));
      } else {
        std::vector<std::uint32_t> sums(last - first);
        for (std::uint64_t block = first; block < last; ++block) {
          model[block] = sums[block - first] = static_cast<std::uint32_t>(random());
        }
        map.set(first, sums);
      }
      compare(map, model, kLimit);
    }
    // Equal to one that was made another way.
    ChecksumMap again;
    for (const auto& [block, checksum] : model) {
      again.set(block, std::span(&checksum, 1));
    }
    REQUIRE(again == map);
    const std::uint32_t other = 1;
    again.set(kLimit, std::span(&other, 1));
    REQUIRE_FALSE(again == map);
    map.clear();
    compare(map, {}, kLimit);
  }
}

TEST_CASE("checksum map: far apart, and to the last block") {
  ChecksumMap map;
  ChecksumModel model;
  const std::uint64_t far = (std::uint64_t{1} << 47) - 1;
  for (const std::uint64_t block : {far, std::uint64_t{5}, far - 100}) {
    const auto checksum = static_cast<std::uint32_t>(block);
    map.set(block, std::span(&checksum, 1));
    model[block] = checksum;
  }
  compare(map, model, 300);
  CHECK(map.next(6) == far - 100);
  CHECK(map.next(far - 99) == far);
  CHECK_FALSE(map.next(far + 1).has_value());
  map.erase(6, far + 1);
  CHECK(map.size() == 1);
  CHECK(map.find(5) == 5);
}
