// PieceMap against a std::map, in order and not, one by one and several at once; and without memory.
#include <strandline/store/journal/pieces.h>

#include <doctest/doctest.h>
#include <tests/support/failing_new.h>

#include <algorithm>
#include <map>
#include <new>
#include <random>
#include <vector>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

using PieceModel = std::map<std::uint64_t, Piece>;

// Each with a tag of its own.
Piece piece_of(ByteRange range) {
  static std::uint32_t made = 0;
  Piece piece;
  piece.range = range;
  ++made;
  for (std::size_t i = 0; i < 4; ++i) {
    piece.tag[i] = static_cast<std::byte>(made >> (8 * i));
  }
  return piece;
}

void erase_overlapping(PieceModel& model, ByteRange range) {
  std::erase_if(model, [&](const auto& entry) { return entry.second.range.intersects(range); });
}

void compare(const PieceMap& map, const PieceModel& model, std::uint64_t limit) {
  map.check_invariants();
  REQUIRE(map.size() == model.size());
  std::vector<Piece> all;
  for (const auto& [begin, piece] : model) {
    all.push_back(piece);
  }
  std::vector<Piece> visited;
  map.visit([&](const Piece& piece) { visited.push_back(piece); });
  REQUIRE(visited == all);
  REQUIRE(map.overlapping({0, kMaxOffset}) == all);
  for (std::uint64_t from = 0; from < limit; ++from) {
    const auto next = std::find_if(all.begin(), all.end(), [&](const Piece& piece) { return piece.range.end > from; });
    const std::uint64_t next_begin = next != all.end() ? next->range.begin : limit + 10;
    const Piece* const at = map.at(from);
    const std::uint64_t to = std::min(limit, from + 7);
    std::uint64_t covered_to = from;
    for (auto it = next; it != all.end() && it->range.begin <= covered_to; ++it) {
      covered_to = it->range.end;
    }
    const bool same = (at != nullptr) == (next_begin <= from) && (at == nullptr || *at == *next) &&
                      map.overlaps({from, to}) == (next_begin < to) && map.covers({from, to}) == (covered_to >= to) &&
                      map.gap_at({from, to}) == ByteRange{from, std::max(from, std::min(to, next_begin))};
    if (!same) {
      FAIL("differs at " << from);
    }
  }
}

// To both.
void add(PieceMap& map, PieceModel& model, ByteRange range) {
  const Piece piece = piece_of(range);
  map.replace(std::span(&piece, 1));
  erase_overlapping(model, range);
  model.emplace(range.begin, piece);
}

}  // namespace

TEST_CASE("piece map: says what a map says (random programs)") {
  std::mt19937_64 random(20261121);
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t limit = round % 2 == 0 ? 100 : 2000;
    PieceMap map;
    PieceModel model;
    for (std::uint64_t step = 0; step < 2 * limit; ++step) {
      const std::uint64_t begin = random() % limit;
      const ByteRange range{begin, begin + 1 + random() % 4};
      std::vector<Piece> pieces{piece_of(range)};
      switch (random() % 8) {
        case 0:
          map.erase_if({begin, begin + limit / 10}, [](const Piece& piece) { return piece.range.begin % 2 == 0; });
          std::erase_if(model, [&](const auto& entry) {
            return entry.first % 2 == 0 && entry.second.range.intersects({begin, begin + limit / 10});
          });
          break;
        case 1:
          pieces.insert(pieces.begin(), piece_of({range.end + 3, range.end + 5}));
          pieces.push_back(piece_of({range.end, range.end + 2}));
          [[fallthrough]];
        default:
          map.replace(pieces);
          for (const Piece& piece : pieces) {
            erase_overlapping(model, piece.range);
          }
          for (const Piece& piece : pieces) {
            model.emplace(piece.range.begin, piece);
          }
      }
      if (step % limit == 0 || limit == 100) {
        compare(map, model, limit + 12);
      }
    }
    compare(map, model, limit + 12);
    compare(PieceMap(map), model, limit + 12);
    map.erase_if({0, kMaxOffset}, [](const Piece&) { return true; });
    compare(map, {}, limit + 12);
  }
}

TEST_CASE("piece map: many in order, and others between them") {
  constexpr std::uint64_t kPieces = 3000;
  PieceMap map;
  PieceModel model;
  for (std::uint64_t i = 1; i <= kPieces; ++i) {
    add(map, model, {i * 4, i * 4 + 2});
  }
  compare(map, model, 4 * kPieces + 8);
  for (std::uint64_t i = kPieces; i > 0; i -= 3) {
    add(map, model, {i * 4 + 2, i * 4 + 4});
  }
  add(map, model, {1, 2});
  for (const std::uint64_t at : std::initializer_list<std::uint64_t>{1000, 256 * 4, 257 * 4, 2 * 256 * 4}) {
    add(map, model, {at - 3, at + 9});  // across the borders of chunks
  }
  compare(map, model, 4 * kPieces + 8);
}

TEST_CASE("piece map: a piece that reaches into the next chunk is found there, and replaced") {
  PieceMap map;
  PieceModel model;
  for (std::uint64_t i = 0; i < 600; ++i) {
    add(map, model, {i * 4, i * 4 + 2});
  }
  // Wherever a chunk begins, its first piece goes and one from before comes in its place.
  for (std::uint64_t i = 1; i < 600; ++i) {
    map.erase_if({i * 4, i * 4 + 1}, [](const Piece&) { return true; });
    model.erase(i * 4);
    add(map, model, {i * 4 - 1, i * 4 + 3});
    if (i % 2 == 0) {
      add(map, model, {i * 4 + 1, i * 4 + 2});
    }
  }
  compare(map, model, 2500);
}

TEST_CASE("F18: a piece map without memory stays what it was") {
  for (const bool several : {false, true}) {
    for (const std::uint64_t begin : std::initializer_list<std::uint64_t>{1, 1026, 2000, 4004}) {
      CAPTURE(begin);
      for_each_failing_allocation([&](std::uint64_t k) {
        PieceMap map;
        PieceModel model;
        for (std::uint64_t i = 1; i <= 1000; ++i) {
          const Piece piece = piece_of({i * 4, i * 4 + 2});
          map.replace(std::span(&piece, 1));
          model.emplace(piece.range.begin, piece);
        }
        std::vector<Piece> pieces{piece_of({begin, begin + 2})};
        if (several) {
          pieces.push_back(piece_of({begin + 2, begin + 9}));
        }
        bool fired = false;
        {
          const FailAllocation scope(k);
          try {
            map.replace(pieces);
          } catch (const std::bad_alloc&) {
          }
          fired = scope.fired();
        }
        if (!fired) {
          for (const Piece& piece : pieces) {
            erase_overlapping(model, piece.range);
            model.emplace(piece.range.begin, piece);
          }
        }
        compare(map, model, 0);
        return fired;
      });
    }
  }
}
