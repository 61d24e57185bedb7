// The origins that need nothing but this library. Others join in tests of their own.
#include <strandline/origin/file_origin.h>
#include <strandline/origin/memory_origin.h>

#include <tests/origin/conformance.h>

namespace strandline::origin::conformance {

struct Memory final : Subject {
  static constexpr Can kCan{.keep_rate = false};
  [[nodiscard]] Origin& origin() override { return *origin_; }
  void end_origin() override { origin_.reset(); }

 private:
  std::unique_ptr<MemoryOrigin> origin_ = std::make_unique<MemoryOrigin>();
};
STRANDLINE_ORIGIN_CONFORMS(Memory);

struct File : Subject {
  static constexpr Can kCan{};
  explicit File(FileOriginOptions options = {}) {
    options.root = directory_.path();
    origin_ = FileOrigin::open(std::move(options)).value();
  }
  [[nodiscard]] Origin& origin() override { return *origin_; }
  void end_origin() override { origin_.reset(); }

 private:
  testing::ScratchDir directory_;
  std::unique_ptr<FileOrigin> origin_;
};
STRANDLINE_ORIGIN_CONFORMS(File);

// One thread for all calls.
struct OneThreadFile final : File {
  OneThreadFile() : File({.root = {}, .threads = 1}) {}
};
STRANDLINE_ORIGIN_CONFORMS(OneThreadFile);

// Keys are absolute paths.
struct AnyFile final : Subject {
  static constexpr Can kCan{.refuse = false};
  [[nodiscard]] Origin& origin() override { return *origin_; }
  void end_origin() override { origin_.reset(); }
  [[nodiscard]] std::string key(const std::string& name) override { return directory_.path().native() + "/" + name; }

 private:
  testing::ScratchDir directory_;
  std::unique_ptr<FileOrigin> origin_ = FileOrigin::open({}).value();
};
STRANDLINE_ORIGIN_CONFORMS(AnyFile);

}  // namespace strandline::origin::conformance
