/* later: TODO write this; see /home/me/notes */
