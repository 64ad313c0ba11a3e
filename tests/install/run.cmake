# Installs BUILD to a fresh folder outside the tree. There configures, builds and runs PROJECT, a user's own,
# and looks at what it prints; then tries the cases of troupe_protocols in CASES.
execute_process(COMMAND mktemp -d -t troupe-install.XXXXXX
                OUTPUT_VARIABLE work OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

function(end)
  file(REMOVE_RECURSE ${work})
  if(ARGN)
    message(FATAL_ERROR ${ARGN})
  endif()
endfunction()

function(run what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT result EQUAL 0)
    end("${what} failed (${result}):\n${output}\n${errors}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(configure ${CMAKE_COMMAND} -G ${GENERATOR} -DCMAKE_BUILD_TYPE=${CONFIG} -DCMAKE_PREFIX_PATH=${work}/prefix
              -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
              -DCMAKE_CXX_FLAGS=${FLAGS})

file(COPY ${PROJECT} ${CASES} DESTINATION ${work})
run("installing" ${CMAKE_COMMAND} --install ${BUILD} --config ${CONFIG} --prefix ${work}/prefix)

run("configuring the user's project" ${configure} -S ${work}/project -B ${work}/build)
run("building the user's project" ${CMAKE_COMMAND} --build ${work}/build)
run("running the user's program" ${work}/build/hello)
if(NOT output MATCHES "Hello, Ada, for the 1\\. time\n")
  end("the user's program printed:\n${output}")
endif()

run("reading the schema of saved letters" capnp compile -o- ${work}/prefix/share/troupe/dead_letter.capnp)

run("configuring the cases" ${configure} -S ${work}/cases -B ${work}/cases_build -DOUTSIDE=${work}/project)
run("building the cases" ${CMAKE_COMMAND} --build ${work}/cases_build)
run("running the cases" ${work}/cases_build/cases)

function(refuses case words)
  execute_process(COMMAND ${configure} -S ${work}/cases -B ${work}/cases_build "-DCASE=${case}"
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  string(FIND "${output}" "${words}" at)
  if(result EQUAL 0 OR at EQUAL -1)
    end("${case}: should be refused (${result}) and say \"${words}\", but says:\n${output}")
  endif()
endfunction()
refuses("no target" "\"hello\" is not a target")
refuses("no schema" "no schema given for \"cases\"")
refuses("no such schema" "no such schema for \"cases\": ${work}/cases/protocols/wares.capnp")
refuses("not a schema" "a schema of \"cases\" does not end in .capnp")
refuses("interface library" "\"contracts\" can't hold compiled schemas")
end()
