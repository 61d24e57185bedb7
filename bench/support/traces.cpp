#include "traces.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>

namespace strandline::bench {

namespace {

constexpr std::uint32_t kChunksPerEntry = 100;

// Draws that are the same with every standard library, unlike those of <random>'s distributions.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : bits_(seed) {}

  [[nodiscard]] std::uint32_t below(std::uint64_t bound) { return static_cast<std::uint32_t>(bits_() % bound); }
  [[nodiscard]] double fraction() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }
  [[nodiscard]] bool chance(double probability) { return fraction() < probability; }
  void shuffle(std::vector<std::uint32_t>& values) {
    for (std::size_t left = values.size(); left > 1; --left) {
      std::swap(values[left - 1], values[below(left)]);
    }
  }

 private:
  std::mt19937_64 bits_;
};

// Ranks from 0, the chance of each proportional to (rank + 1)^-alpha.
class Popularity {
 public:
  Popularity(std::uint64_t count, double alpha) {
    double sum = 0;
    for (std::uint64_t rank = 1; rank <= count; ++rank) {
      sum += std::pow(static_cast<double>(rank), -alpha);
      below_.push_back(sum);
    }
  }
  [[nodiscard]] std::uint32_t draw(Dice& dice) const {
    const double at = dice.fraction() * below_.back();
    return static_cast<std::uint32_t>(std::upper_bound(below_.begin(), below_.end() - 1, at) - below_.begin());
  }

 private:
  std::vector<double> below_;
};

void read_piece(Trace& trace, std::uint32_t chunk, std::uint32_t piece) {
  trace.reads.push_back({chunk / kChunksPerEntry, chunk % kChunksPerEntry * kPiecesPerChunk + piece});
}

}  // namespace

Trace zipf_trace(std::uint64_t chunks, std::uint64_t visits, double alpha) {
  Trace trace{"zipf", chunks, {}};
  Dice dice(1);
  const Popularity popularity(chunks, alpha);
  std::vector<std::uint32_t> chunk_of(chunks);
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
    chunk_of[chunk] = chunk;
  }
  dice.shuffle(chunk_of);
  struct Reader {
    std::uint32_t chunk = 0;
    std::uint32_t piece = kPiecesPerChunk;
  };
  std::vector<Reader> readers(8);
  for (std::uint64_t begun = 0; begun < visits;) {
    Reader& reader = readers[dice.below(readers.size())];
    if (reader.piece == kPiecesPerChunk) {
      reader = {chunk_of[popularity.draw(dice)], 0};
      ++begun;
    }
    read_piece(trace, reader.chunk, reader.piece++);
  }
  return trace;
}

Trace scan_trace(std::uint64_t chunks) {
  Trace trace{"scan + hot set", chunks, {}};
  Dice dice(2);
  const std::uint64_t hot = chunks / 10;
  const auto visit_hot = [&] {
    const std::uint32_t chunk = dice.below(hot);
    for (std::uint32_t piece = 0; piece < kPiecesPerChunk; ++piece) {
      read_piece(trace, chunk, piece);
    }
  };
  for (std::uint64_t visit = 0; visit < 4 * hot; ++visit) {
    visit_hot();
  }
  for (int pass = 0; pass < 2; ++pass) {
    for (std::uint64_t chunk = hot; chunk < chunks; ++chunk) {
      for (std::uint32_t piece = 0; piece < kPiecesPerChunk; ++piece) {
        read_piece(trace, static_cast<std::uint32_t>(chunk), piece);
        // In the midst of every other chunk of the scan.
        if (chunk % 2 == 0 && piece == kPiecesPerChunk / 2) {
          visit_hot();
        }
      }
    }
  }
  return trace;
}

Trace player_trace(std::uint64_t films, std::uint64_t visits) {
  Trace trace{"players", 0, {}};
  Dice dice(3);
  std::vector<std::uint32_t> length;  // in chunks
  for (std::uint64_t film = 0; film < films; ++film) {
    length.push_back(40 + dice.below(160));
    trace.footprint += length.back();
  }
  const Popularity popularity(films, 0.9);
  struct Player {
    std::uint32_t film = 0;
    std::uint32_t piece = 0;
    std::uint32_t end = 0;     // of the film; 0: the next turn begins another
    std::uint32_t paused = 0;  // turns to come that it lets pass
  };
  std::vector<Player> players(40);
  for (std::uint64_t visited = 0; visited < visits;) {
    Player& player = players[dice.below(players.size())];
    if (player.paused > 0) {
      --player.paused;
      continue;
    }
    if (player.piece == player.end) {
      player.film = popularity.draw(dice);
      player.end = length[player.film] * kPiecesPerChunk;
      player.piece = dice.chance(0.7) ? 0 : dice.below(player.end);
    }
    trace.reads.push_back({player.film, player.piece++});
    if (player.piece % kPiecesPerChunk != 0 || player.piece == player.end) {
      continue;
    }
    ++visited;
    if (dice.chance(0.03)) {
      player.piece = dice.below(player.end);
    } else if (dice.chance(0.02)) {
      player.paused = dice.below(2000);
    } else if (dice.chance(0.015)) {
      player.piece = player.end;
    }
  }
  return trace;
}

}  // namespace strandline::bench
