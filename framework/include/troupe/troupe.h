// All of Troupe's public API.
#pragma once

#include <troupe/actor.h>
#include <troupe/actor_class.h>
#include <troupe/app.h>
#include <troupe/argument.h>
#include <troupe/counter.h>
#include <troupe/dictionary.h>
#include <troupe/dictionary_client.h>
#include <troupe/error.h>
#include <troupe/exit_reason.h>
#include <troupe/kept.h>
#include <troupe/kept_table.h>
#include <troupe/later.h>
#include <troupe/list.h>
#include <troupe/list_client.h>
#include <troupe/net.h>
#include <troupe/net_argument.h>
#include <troupe/queue.h>
#include <troupe/ref.h>
#include <troupe/self.h>
#include <troupe/spec.h>
#include <troupe/supervisor_ref.h>
#include <troupe/task.h>
#include <troupe/value.h>
