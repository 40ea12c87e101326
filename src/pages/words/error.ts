// What the error page says. No markup.

export const errorWords = {
  requestId: 'Request id',
  requestIdHint: 'Say it when you ask for help: the server’s log has it.',
  whatToDo: 'What to do',
  fields: 'What is wrong',
  contact: 'Need help? Ask:',
  home: 'Go to the start page',
  admin: 'Go to the overview',
  byStatus: {
    '400': 'Go back, mend what is named above, and send it again.',
    '401': 'Load the page again and sign in as the admin.',
    '403': 'Open the page here, and do it from there.',
    '404': 'Check the address, or begin at the start page.',
    '405': 'Use the links and forms of the pages; they begin at the start page.',
    '409': 'Load the page again to see how things stand.',
    '413': 'Go back and send less.',
    '415': 'Begin at the start page and use its form.',
    '429': 'Wait a moment, then try again.',
    '500': 'Try again. If it stays like this, tell your instructor, with the request id.',
    '503': 'Wait a few seconds, then load the page again.',
  },
  otherwise: 'Begin at the start page.',
} as const;
