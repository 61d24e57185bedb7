// Objects that are files: which names are any.
#include <strandline/origin/file_origin.h>
#include <sys/stat.h>
#include <tests/serve/scene.h>

#include <ctime>

using namespace strandline;
using namespace strandline::testing;

namespace {

struct Files {
  Files() {
    serve::ServerOptions options;
    const std::string base = folder.path().native() + "/";
    options.mounts.push_back({.prefix = "/f/",
                              .origin = required(origin::FileOrigin::open({})),
                              .base = base,
                              .name = "file://" + base,
                              .urls = false});
    scene.restart(std::move(options));
  }
  void write(const std::string& name, const std::string& content, ::time_t changed) {
    const std::string path = (folder.path() / name).native();
    std::ofstream(path) << content;
    const struct ::timespec times[2] = {{0, UTIME_OMIT}, {changed, 0}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  }

  TempDir folder;
  Scene scene;
};

}  // namespace

TEST_CASE("files: what no object is called is a 404, and a FIFO is not waited for") {
  Files files;
  files.write("a", "hello", 1'000'000'000);
  std::filesystem::create_directory(files.folder.path() / "folder");
  REQUIRE(::mkfifo((files.folder.path() / "fifo").c_str(), 0600) == 0);
  auto client = files.scene.client();
  CHECK(client.get("/f/a").body == "hello");
  for (const std::string& name :
       {std::string("folder"), std::string("folder/"), std::string("fifo"), std::string("a/b"), std::string("a/"),
        std::string("none"), std::string("none/b"), std::string(300, 'x'), std::string(300, 'x') + "/y"}) {
    CAPTURE(name);
    CHECK(client.get("/f/" + name).status == 404);
    CHECK(client.ask("HEAD", "/f/" + name).status == 404);
  }
}
