# What people read in web/src and a browser need not load: lines that are a comment, and blank ones.
/^ *\/\*\*.*\*\/ *$/d
/^ *\/\*\*/,/\*\//d
/^ *\/\//d
/^ *$/d
