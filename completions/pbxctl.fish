complete --keep-order --exclusive --command pbxctl --arguments "(COMPLETE=fish pbxctl -- (commandline --current-process --tokenize --cut-at-cursor) (commandline --current-token))"
