#pragma once
// What happens before a server stands, while the process has one thread: doors are bound, rights given up, the cage is
// closed, then the state is opened.
#include <optional>
#include <string>

#include "base/control/control.h"
#include "cmd/server.h"

namespace sekisho::cmd {

// "" or what went wrong, for people.
// The doors that the service manager has handed in, and those bound here.
std::string open_doors(Server& server);
// The same from the server that runs now: it stops accepting and lets its transactions end. Nothing when nobody serves.
core::Result<std::optional<control::Handing>, std::string> ask_for_doors(Server& server);
// Until that server has ended: its state can be opened then.
std::string wait_for_predecessor(const control::Handing& handing, const Server& server);
// Folders are made and given to server.user, then we become that user and close the cage. The log is opened here.
std::string step_down(Server& server);
// after_another: its lock may take a moment to go.
std::string open_state(Server& server, bool after_another);
// A folder that is made gets mode 0700.
std::string make_folder(const std::string& path);

}  // namespace sekisho::cmd
