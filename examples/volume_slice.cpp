// A volume in chunks, each an object of its own: URL/X.Y.Z. All of them are being fetched, thousands of fills at once;
// a slice through the volume is wanted meanwhile, and what it needs of each chunk that it cuts comes first.
#include <strandline/drivers/memory.h>
#include <strandline/fill/filler.h>
#include <strandline/origin/origins.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <span>
#include <string>
#include <vector>

using namespace strandline;

namespace {

// Of a chunk, in voxels of one byte: 64 KiB. x runs fastest, so a chunk's part of a slice across z is one run.
constexpr std::size_t kWidth = 32;
constexpr std::size_t kHeight = 32;
constexpr std::size_t kDepth = 64;
constexpr std::size_t kPart = kWidth * kHeight;

class Volume {
 public:
  // So many chunks along x, y and z. From now on they are being fetched.
  Volume(const std::string& url, std::array<std::size_t, 3> chunks) : chunks_(chunks) {
    const auto origins = origin::Origins();
    for (std::size_t i = 0; i < chunks[0] * chunks[1] * chunks[2]; ++i) {
      const std::size_t x = i % chunks[0];
      const std::size_t y = i / chunks[0] % chunks[1];
      const std::size_t z = i / chunks[0] / chunks[1];
      auto found = origins.find(url + "/" + std::to_string(x) + "." + std::to_string(y) + "." + std::to_string(z));
      auto& chunk = resources_.emplace_back(Resource<MemoryDriver>::open({}).value());
      fill::FillRequest request;
      request.origin = std::move(found.value().origin);
      request.key = std::move(found->key);
      request.target = std::make_unique<fill::ResourceTarget<MemoryDriver>>(chunk, chunk.writer().value());
      fills_.push_back(filler_.fill(std::move(request)).value());
    }
  }

  // The voxels of a plane across z, row by row. All of its waits stand at once, and no thread is kept by any of them.
  Result<std::vector<std::byte>> slice(std::size_t z) const {
    const std::size_t first = z / kDepth * chunks_[0] * chunks_[1];
    const std::size_t count = chunks_[0] * chunks_[1];
    const std::uint64_t begin = z % kDepth * kPart;
    std::latch there(static_cast<std::ptrdiff_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
      resources_[first + i].async_wait({begin, begin + kPart}, {}, [&there](auto&&) { there.count_down(); });
    }
    there.wait();

    const std::size_t row = chunks_[0] * kWidth;
    std::vector<std::byte> voxels(count * kPart);
    for (std::size_t i = 0; i < count; ++i) {
      std::array<std::byte, kPart> part{};
      // What has not come will not: the read says why.
      if (auto read = resources_[first + i].wait_read_at(begin, part); !read || *read != part.size()) {
        return read ? fail(Errc::corrupt, "a short chunk") : fail(std::move(read.error()));
      }
      for (std::size_t y = 0; y < kHeight; ++y) {
        const std::size_t to = (i / chunks_[0] * kHeight + y) * row + i % chunks_[0] * kWidth;
        std::copy_n(&part[y * kWidth], kWidth, &voxels[to]);
      }
    }
    return voxels;
  }

  [[nodiscard]] std::size_t chunks() const { return resources_.size(); }
  [[nodiscard]] std::size_t complete() const {
    return static_cast<std::size_t>(std::count_if(resources_.begin(), resources_.end(), [](const auto& chunk) {
      return chunk.status().state == State::committed;
    }));
  }
  // Until all of it is there.
  Result<void> wait() const {
    for (const auto& fill : fills_) {
      if (auto ended = fill.wait(); !ended) {
        return ended;
      }
    }
    return {};
  }

 private:
  const std::array<std::size_t, 3> chunks_;
  fill::Filler filler_ = fill::Filler::create({.connections = 16}).value();
  std::vector<Resource<MemoryDriver>> resources_;
  std::vector<fill::Fill> fills_;
};

bool write_picture(const char* path, std::size_t width, std::span<const std::byte> voxels) {
  std::FILE* const file = std::fopen(path, "wb");
  if (file == nullptr) {
    return false;
  }
  const bool written = std::fprintf(file, "P5 %zu %zu 255\n", width, voxels.size() / width) > 0 &&
                       std::fwrite(voxels.data(), 1, voxels.size(), file) == voxels.size();
  return std::fclose(file) == 0 && written;
}

int failed(const Error& error) {
  return std::fprintf(stderr, "%s\n", error.message().c_str()), 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    return std::fprintf(stderr, "usage: %s URL CHUNKS_X CHUNKS_Y CHUNKS_Z PLANE PICTURE.pgm\n", *argv), 2;
  }
  std::array<std::size_t, 3> chunks{};
  std::transform(argv + 2, argv + 5, chunks.begin(), [](const char* text) { return std::strtoul(text, nullptr, 10); });
  const std::size_t plane = std::strtoul(argv[5], nullptr, 10);
  if (plane >= chunks[2] * kDepth) {
    return std::fprintf(stderr, "the volume has no such plane\n"), 2;
  }
  const Volume volume(argv[1], chunks);

  const auto slice = volume.slice(plane);
  if (!slice) {
    return failed(slice.error());
  }
  if (!write_picture(argv[6], chunks[0] * kWidth, *slice)) {
    return std::perror(argv[6]), 1;
  }
  std::printf("slice: %zu bytes, by then %zu of %zu chunks were complete\n", slice->size(), volume.complete(),
              volume.chunks());
  std::fflush(stdout);
  if (const auto all = volume.wait(); !all) {
    return failed(all.error());
  }
  std::printf("volume: %zu of %zu chunks complete\n", volume.complete(), volume.chunks());
}
