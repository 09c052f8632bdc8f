case ":$PATH:" in *":/opt/env/bin:"*) ;; *) PATH="/opt/env/bin:$PATH" ;; esac
export PATH
