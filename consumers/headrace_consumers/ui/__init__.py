"""`headrace ui`: a read-only web page over what is there already: the tables, the versions, the topics.

    request --server: host, token, GET--> site: which page --page's function--> values --template--> HTML
                                                                 |
                             reading/: table, rows, versions, examples, topics, each bounded, kept by its version

A page is a file in pages/ with a function and a `Page`, which stands in `pages.PAGES`, and a template of the same name.
Nothing is written, no group is joined, nothing is committed. There is no script, and none is allowed to run.
"""
