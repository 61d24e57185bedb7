// A player: libavformat reads a film through a Cursor while the film is being downloaded. It seeks as it would in a
// file; what it waits for is fetched next, so an index at the film's end does not hold it up. What has come stays in
// the store for the next time.
#include <strandline/fill/fetcher.h>
#include <strandline/origin/origins.h>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>

using namespace strandline;
using FilmCursor = Cursor<store::EntryDriver>;

namespace {

// libavformat's callbacks. One thread calls them, which is what a cursor asks for.
int read_film(void* opaque, std::uint8_t* out, int size) {
  auto& cursor = *static_cast<FilmCursor*>(opaque);
  const auto count = cursor.read(std::as_writable_bytes(std::span(out, static_cast<std::size_t>(size))));
  if (!count) {
    std::fprintf(stderr, "%s\n", count.error().message().c_str());
    return AVERROR(EIO);
  }
  return *count == 0 ? AVERROR_EOF : static_cast<int>(*count);
}
std::int64_t seek_film(void* opaque, std::int64_t offset, int whence) {
  auto& cursor = *static_cast<FilmCursor*>(opaque);
  if ((whence & AVSEEK_SIZE) != 0) {
    const auto length = cursor.length();
    return length ? static_cast<std::int64_t>(*length) : AVERROR(ENOSYS);
  }
  const bool moved = (whence & ~AVSEEK_FORCE) == SEEK_SET && cursor.seek(static_cast<std::uint64_t>(offset));
  return moved ? offset : AVERROR(EINVAL);
}

// What libav answers, or an exception if that is an error.
int must(int answer, const char* what) {
  if (answer < 0) {
    char why[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(answer, why, sizeof(why));
    throw std::runtime_error(std::string(what) + ": " + why);
  }
  return answer;
}
template <class T>
T* must(T* made, const char* what) {
  return made != nullptr ? made : throw std::runtime_error(std::string(what) + ": no memory");
}

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* made) const noexcept {
    kFree(&made);
  }
};
void free_io(AVIOContext** io) {
  av_freep(&(*io)->buffer);  // which libavformat may have made anew meanwhile
  avio_context_free(io);
}

class Player {
 public:
  explicit Player(FilmCursor cursor) : cursor_(std::move(cursor)) {
    constexpr int kBuffer = 32 << 10;
    auto* const buffer = static_cast<unsigned char*>(must(av_malloc(kBuffer), "buffer"));
    io_.reset(must(avio_alloc_context(buffer, kBuffer, 0, &cursor_, read_film, nullptr, seek_film), "reader"));
    AVFormatContext* film = must(avformat_alloc_context(), "film");
    film->pb = io_.get();
    must(avformat_open_input(&film, nullptr, nullptr, nullptr), "open");  // which frees it when it fails
    film_.reset(film);
    must(avformat_find_stream_info(film, nullptr), "streams");
    const AVCodec* codec = nullptr;
    const int best = must(av_find_best_stream(film, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0), "video");
    stream_ = film->streams[best];
    decoder_.reset(must(avcodec_alloc_context3(codec), "decoder"));
    must(avcodec_parameters_to_context(decoder_.get(), stream_->codecpar), "decoder");
    must(avcodec_open2(decoder_.get(), codec, nullptr), "decoder");
    std::printf("%s, %.2f s, %s %dx%d\n", film->iformat->name, static_cast<double>(film->duration) / AV_TIME_BASE,
                codec->name, stream_->codecpar->width, stream_->codecpar->height);
  }

  Player(const Player&) = delete;  // io_ knows where it is
  Player& operator=(const Player&) = delete;

  // At, or before, so many seconds.
  void seek(double seconds) {
    const auto at = static_cast<std::int64_t>(seconds * AV_TIME_BASE);
    must(av_seek_frame(film_.get(), -1, at, AVSEEK_FLAG_BACKWARD), "seek");
    avcodec_flush_buffers(decoder_.get());
  }

  // Decodes the next picture, and answers when in the film it is to be shown, in seconds.
  double show() {
    for (;;) {
      const int got = avcodec_receive_frame(decoder_.get(), frame_.get());
      if (got >= 0) {
        return static_cast<double>(frame_->best_effort_timestamp) * av_q2d(stream_->time_base);
      }
      if (got != AVERROR(EAGAIN)) {
        must(got, "decode");
      }
      const int read = av_read_frame(film_.get(), packet_.get());
      if (read == AVERROR_EOF) {
        must(avcodec_send_packet(decoder_.get(), nullptr), "decode");  // gives up what it has held back
        continue;
      }
      must(read, "read");
      if (packet_->stream_index == stream_->index) {
        must(avcodec_send_packet(decoder_.get(), packet_.get()), "decode");
      }
      av_packet_unref(packet_.get());
    }
  }

 private:
  FilmCursor cursor_;
  std::unique_ptr<AVIOContext, Freed<free_io>> io_;
  std::unique_ptr<AVFormatContext, Freed<avformat_close_input>> film_;
  std::unique_ptr<AVCodecContext, Freed<avcodec_free_context>> decoder_;
  std::unique_ptr<AVPacket, Freed<av_packet_free>> packet_{must(av_packet_alloc(), "packet")};
  std::unique_ptr<AVFrame, Freed<av_frame_free>> frame_{must(av_frame_alloc(), "frame")};
  AVStream* stream_ = nullptr;  // film_'s
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    return std::fprintf(stderr, "usage: %s URL STORE [SECONDS]...  shows the first picture, and those there\n", *argv),
           2;
  }
  auto fetcher = fill::Fetcher(store::Store::open(argv[2]).value(),
                               std::make_shared<fill::Filler>(fill::Filler::create({.connections = 4}).value()));
  auto found = origin::Origins().find(argv[1]).value();
  const auto film = fetcher.open(found.origin, found.key);
  if (!film) {
    return std::fprintf(stderr, "%s\n", film.error().message().c_str()), 1;
  }

  Player player(film->resource().cursor().value());
  for (int i = 2; i < argc; ++i) {
    if (i > 2) {
      player.seek(std::atof(argv[i]));
    }
    const double seconds = player.show();
    std::printf("picture at %.2f s; here are %llu of %llu bytes\n", seconds,
                static_cast<unsigned long long>(film->resource().available().value().byte_count()),
                static_cast<unsigned long long>(film->resource().length().value_or(0)));
  }
  return 0;
} catch (const std::exception& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
