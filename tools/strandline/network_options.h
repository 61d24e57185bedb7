// The options of every command that asks servers: how many connections, how long to wait for one, when to give up.
// Threads: one. Blocks: never. Errors: none; CLI11 refuses what is out of range. Cost: none. Lifetime: the numbers
// outlive the app.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace strandline::tool {

// `what`: of which servers, for --help.
void add_connections_option(CLI::App& app, unsigned& connections, const std::string& what);
void add_timeout_option(CLI::App& app, unsigned& seconds);
void add_give_up_option(CLI::App& app, unsigned& seconds);

}  // namespace strandline::tool
